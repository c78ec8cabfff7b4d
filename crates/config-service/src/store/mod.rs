//! What the service needs of a database; SQLite stands behind it now, and the trait is what another has to offer.
//!
//! A store keeps five promises, which [`conformance`] checks:
//!
//! * An edit is one transaction: state, group rows and change rows are all there or none.
//! * Stamps grow strictly for each preference, and what is read as of an instant never changes afterwards (M1).
//! * A group's count as of an instant is kept apart from the list of its members (M8).
//! * The feed holds every committed change once, in commit order, and says until when it is complete (F7).
//! * Nothing is read from the host's clock: it is handed in.

#[cfg(test)]
pub(crate) mod conformance;
pub(crate) mod sqlite;

use std::collections::BTreeMap;

use async_trait::async_trait;
use cohort_preferences::{BatchGetRequest, BatchGetResponse, ChangePage, FeatureType, GroupList, Preference, StatedGroup, TenantId, Zone};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::cursor::{Incarnation, Since};
use crate::error::ConfigServiceError;
use crate::key::{ApiKey, KeyHash};

pub(crate) type Result<T, E = ConfigServiceError> = std::result::Result<T, E>;

/// A valid preference: what it means, and the JSON in which it was stated.
#[derive(Debug, Clone)]
pub(crate) struct Stated {
    /// What it means.
    pub(crate) preference: Preference,
    /// As it was stated, in compact form.
    pub(crate) json: String,
}

impl Stated {
    /// Reads a preference that stands at `pointer` of what was sent (W1).
    pub(crate) fn read(value: &Value, pointer: &str) -> Result<Self> {
        Ok(Self::new(value, Preference::from_json(value, pointer)?))
    }

    /// A preference that was read from `value`.
    pub(crate) fn new(value: &Value, preference: Preference) -> Self {
        Self { preference, json: value.to_string() }
    }

    /// Whether stored JSON says the same; the order of fields says nothing.
    pub(crate) fn says(&self, stored: &str) -> bool {
        self.json == stored
            || serde_json::from_str::<Value>(stored)
                .is_ok_and(|stored| serde_json::from_str(&self.json).is_ok_and(|own: Value| own == stored))
    }
}

/// One tenant's preference for one feature as it is now.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    /// Its version; lives on when it is deleted (W2).
    pub(crate) version: u64,
    /// When it was last changed.
    pub(crate) at: Timestamp,
    /// As it was stated; `None` if it is deleted.
    pub(crate) json: Option<String>,
}

/// What is known of a tenant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tenant {
    /// The zone of preferences that state none (T12).
    pub(crate) timezone: Option<Zone>,
    /// Their preferences, deleted ones too; in an edit of one feature only that one.
    pub(crate) preferences: BTreeMap<FeatureType, Current>,
}

impl Tenant {
    /// Grows with each change of any preference: the document's version (W2).
    pub(crate) fn revision(&self) -> u64 {
        self.preferences.values().map(|current| current.version).sum()
    }

    /// The preferences that are there.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&FeatureType, &Current, &str)> {
        let live = |(feature, current)| Some((feature, current, Current::json(current)?));
        self.preferences.iter().filter_map(live)
    }
}

impl Current {
    fn json(&self) -> Option<&str> {
        self.json.as_deref()
    }
}

/// A change of one tenant in one transaction.
pub(crate) struct Edit {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// The one feature to look at, or all.
    pub(crate) feature: Option<FeatureType>,
    /// Who asked for it (W3).
    pub(crate) actor: String,
    /// Decides, on what is there inside the transaction, what is written. An error writes nothing.
    pub(crate) decide: Decide,
}

/// Gives each feature that is to be written its preference, `None` to delete it.
pub(crate) type Decide = Box<dyn FnOnce(&Tenant) -> Result<BTreeMap<FeatureType, Option<Stated>>> + Send>;

/// What an edit found and left.
#[derive(Debug)]
pub(crate) struct Edited {
    /// The tenant before.
    pub(crate) before: Tenant,
    /// The tenant after.
    pub(crate) after: Tenant,
}

/// One preference to import.
#[derive(Debug, Clone)]
pub(crate) struct ImportRow {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// For which feature.
    pub(crate) feature: FeatureType,
    /// The preference.
    pub(crate) stated: Stated,
}

/// Asks for a stretch of a member list.
#[derive(Debug, Clone)]
pub(crate) struct MembersQuery {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Of which groups, each named once.
    pub(crate) groups: Vec<StatedGroup>,
    /// As of which instant, in whole microseconds (M1).
    pub(crate) as_of: Timestamp,
    /// Only tenants with a higher number.
    pub(crate) after: u64,
    /// At most so many.
    pub(crate) limit: usize,
}

/// A stretch of a member list.
#[derive(Debug, Clone)]
pub(crate) struct MemberList {
    /// Ascending by number.
    pub(crate) members: Vec<StoredMember>,
    /// The size of the whole list, counted apart from it (M8).
    pub(crate) count_as_of: u64,
    /// The feed's position.
    pub(crate) position: String,
    /// Whether members follow behind these.
    pub(crate) has_more: bool,
}

/// A member as stored: [`cohort_preferences::Member`] with the JSON as plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredMember {
    /// Who.
    pub(crate) tenant_id: String,
    /// The tenant's number.
    pub(crate) number: u64,
    /// The version of the preference in force now.
    pub(crate) version: u64,
    /// Since when in the group without a break.
    pub(crate) since: Timestamp,
    /// The preference in force now.
    pub(crate) json: Option<String>,
}

/// A database of preferences.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Which life of the database this is.
    fn incarnation(&self) -> Incarnation;

    /// Changes after every commit.
    fn commits(&self) -> watch::Receiver<u64>;

    /// Changes one tenant.
    async fn edit(&self, edit: Edit) -> Result<Edited>;

    /// Writes many preferences, those of one tenant and feature in order; says for each whether it changed anything.
    async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>>;

    /// One preference; `None` if there never was one.
    async fn preference(&self, tenant: &TenantId, feature: &FeatureType) -> Result<Option<Current>>;

    /// Everything of a tenant; `None` for one that never wrote.
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>>;

    /// Many tenants' preferences for one feature.
    async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse>;

    /// The groups that have members, and those that lost their last after `emptied_after`.
    async fn groups(&self, feature: &FeatureType, emptied_after: Timestamp) -> Result<GroupList>;

    /// The members of groups as of an instant; waits a moment for an instant that has not settled (M1).
    async fn members(&self, query: MembersQuery) -> Result<MemberList>;

    /// The number of the newest change, 0 if there is none.
    async fn newest_change(&self) -> Result<i64>;

    /// At most `limit` changes behind the one of this number; [`ConfigServiceError::CursorGone`] if it is of the future.
    async fn changes(&self, after: i64, limit: usize) -> Result<ChangePage>;

    /// The key of this hash, unless it is revoked.
    async fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>>;

    /// Stores a key; with `only_first`, only if no key is there. Says whether it was stored.
    async fn add_key(&self, hash: KeyHash, key: ApiKey, only_first: bool) -> Result<bool>;
}

/// Where a feed reader starts, once `now` is resolved.
pub(crate) async fn start_of(store: &dyn Store, since: Since) -> Result<i64> {
    match since {
        Since::Oldest => Ok(0),
        Since::Now => store.newest_change().await,
        Since::Change(change) => Ok(change),
    }
}
