//! What the Config Database decides: who may do what, what an edit means, how long a reader waits.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, ChangePage, Clock, FeatureType, GroupList, Invalid, Preference, PreferenceDocument, Receipt,
    StatedGroup, TenantId, Zone,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::cursor::MembersAfter;
use crate::error::ConfigServiceError;
use crate::key::{ApiKey, KeyHash, NewKey, Scope, Secret, hash};
use crate::precondition::Precondition;
use crate::receipt::next_run;
use crate::store::edit::{Current, Edit, Edited, ImportRow, Stated, Tenant, Wanted};
use crate::store::list::{GroupsQuery, MemberList, MembersQuery};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::stamps::whole_micros;
use crate::store::{Result, Store, start_of};

/// How long a group that lost its last member is still listed: its last occurrences may be unplanned (F1).
const EMPTY_GROUPS_LISTED_FOR: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The most groups in one members request.
const MOST_GROUPS: usize = 1_000;

/// The most users in one batch-get.
const MOST_USERS: usize = 1_000;

/// Members of a page, if the request does not say.
const MEMBERS_A_PAGE: usize = 1_000;

/// The most members of a page.
const MOST_MEMBERS: usize = 5_000;

/// The most changes of a page, and how many it has if the request does not say.
const MOST_CHANGES: usize = 1_000;

/// How to open a Config Database.
pub struct ConfigServiceOptions {
    /// The SQLite file; created if it is not there.
    pub path: PathBuf,
    /// What time it is. In simulated time all parts share one (M1).
    pub clock: Arc<dyn Clock>,
    /// Why every write is refused, if so. The file must then exist.
    pub read_only: Option<String>,
}

/// A Config Database that is open; cheap to clone.
#[derive(Clone)]
pub struct ConfigService(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    read_only: Option<String>,
    keys: Mutex<HashMap<KeyHash, ApiKey>>,
    closing: watch::Sender<bool>,
}

/// A write of one preference, or of the document: which version it is now, and what it means.
pub(crate) struct Written {
    /// The resource's version after the write.
    pub(crate) version: u64,
    /// Whether the resource was not there before.
    pub(crate) created: bool,
    /// The receipt of each feature that the write named or deleted.
    pub(crate) receipts: BTreeMap<FeatureType, Receipt>,
}

/// Where a feed reader stands and how patient it is.
pub(crate) struct ChangesRequest {
    /// The cursor as it was sent.
    pub(crate) since: Option<String>,
    /// How long to wait for a change if there is none.
    pub(crate) wait: Duration,
    /// At most so many changes.
    pub(crate) limit: Option<usize>,
}

/// Asks for a page of a member list.
pub(crate) struct ListRequest {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Of which groups.
    pub(crate) groups: Vec<StatedGroup>,
    /// As of which instant; if not said, that of the cursor, or else now.
    pub(crate) as_of: Option<Timestamp>,
    /// Where to go on.
    pub(crate) cursor: Option<String>,
    /// At most so many members.
    pub(crate) limit: Option<usize>,
}

/// A page of members and the cursor of the next.
pub(crate) struct MembersAnswer {
    /// The page.
    pub(crate) list: MemberList,
    /// `None` on the last page.
    pub(crate) next_cursor: Option<String>,
}

impl ConfigService {
    /// Opens the database, creating or migrating it unless it is read only.
    pub async fn open(options: ConfigServiceOptions) -> Result<Self, ConfigServiceError> {
        let ConfigServiceOptions { path, clock, read_only } = options;
        let store = SqliteStore::open(&path, Arc::clone(&clock), read_only.is_some()).await?;
        Ok(Self(Arc::new(Inner { store: Arc::new(store), clock, read_only, keys: Mutex::default(), closing: watch::Sender::new(false) })))
    }

    /// Ends waiting polls, now and from now on; other requests are answered as ever.
    pub fn shutdown(&self) {
        self.0.closing.send_replace(true);
    }

    /// Makes a key of scope admin if the database never had a key; its text is given this once (W4).
    pub async fn create_admin_key_if_none(&self, name: &str) -> Result<Option<String>, ConfigServiceError> {
        let secret = Secret::random();
        let stored = self.add_key(&secret, name, Scope::Admin, true).await?;
        Ok(stored.then(|| secret.reveal()))
    }

    /// Makes a key; its text is given this once (W4).
    pub async fn create_key(&self, name: &str, scope: Scope) -> Result<String, ConfigServiceError> {
        let secret = Secret::random();
        self.add_key(&secret, name, scope, false).await?;
        Ok(secret.reveal())
    }

    async fn add_key(&self, secret: &Secret, name: &str, scope: Scope, only_first: bool) -> Result<bool> {
        self.refuse_if_read_only()?;
        let scopes = [scope].into_iter().collect();
        let key = NewKey { hash: secret.hash(), name: name.to_owned(), scopes, created_by: name.to_owned(), expires_at: None };
        Ok(self.0.store.add_key(key, only_first).await?.is_some())
    }

    /// Who holds this key. Known keys are kept in memory: only this process changes them.
    pub(crate) async fn authenticate(&self, key: &str) -> Result<ApiKey> {
        let hash = hash(key);
        if let Some(known) = self.known_keys().get(&hash) {
            return Ok(known.clone());
        }
        let key = self.0.store.key(hash).await?.ok_or(ConfigServiceError::Unauthorized)?;
        self.known_keys().insert(hash, key.clone());
        Ok(key)
    }

    fn known_keys(&self) -> MutexGuard<'_, HashMap<KeyHash, ApiKey>> {
        self.0.keys.lock().expect("nobody panics while holding the keys")
    }

    /// Whether the database answers.
    pub(crate) async fn ready(&self) -> Result<()> {
        if *self.0.closing.borrow() {
            return Err(ConfigServiceError::ShuttingDown);
        }
        self.0.store.newest_change().await.map(|_newest| ())
    }

    /// Refuses a write if this database takes none.
    pub(crate) fn refuse_if_read_only(&self) -> Result<()> {
        let reason = self.0.read_only.clone();
        reason.map_or(Ok(()), |reason| Err(ConfigServiceError::ReadOnly(reason)))
    }

    /// One preference as it was stated, with its version.
    pub(crate) async fn preference(&self, tenant: &TenantId, feature: &FeatureType) -> Result<(u64, String)> {
        let current = self.0.store.preference(tenant, feature).await?;
        let live = current.and_then(|current| Some((current.version, current.json?)));
        live.ok_or_else(|| no_preference(tenant, feature))
    }

    /// Everything that a tenant prefers.
    pub(crate) async fn document(&self, tenant: &TenantId) -> Result<Tenant> {
        let found = self.0.store.tenant(tenant).await?;
        let there = found.filter(|tenant| tenant.live().next().is_some());
        there.ok_or_else(|| no_document(tenant))
    }

    /// Replaces one preference.
    pub(crate) async fn put_preference(
        &self,
        (tenant, feature): (TenantId, FeatureType),
        value: &Value,
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let stated = Stated::read(value, "")?;
        let wanted = feature.clone();
        self.edit_preference(tenant, feature, actor, move |current| {
            precondition.check(live_version(current))?;
            Ok(Wanted::preference(wanted, Some(stated)))
        })
        .await
    }

    /// Changes one preference by a JSON Merge Patch (RFC 7396).
    pub(crate) async fn patch_preference(
        &self,
        (tenant, feature): (TenantId, FeatureType),
        patch: Value,
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let (owner, wanted) = (tenant.clone(), feature.clone());
        self.edit_preference(tenant, feature, actor, move |current| {
            precondition.check(live_version(current))?;
            let json = current.and_then(|current| current.json.as_deref());
            let json = json.ok_or_else(|| no_preference(&owner, &wanted))?;
            let current: Value = serde_json::from_str(json).map_err(|error| ConfigServiceError::Unreadable(error.to_string()))?;
            let patched = Stated::read(&Preference::merge_patch(&current, &patch), "")?;
            Ok(Wanted::preference(wanted, Some(patched)))
        })
        .await
    }

    /// Deletes one preference; its version lives on (W2).
    pub(crate) async fn delete_preference(
        &self,
        (tenant, feature): (TenantId, FeatureType),
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let (owner, wanted) = (tenant.clone(), feature.clone());
        self.edit_preference(tenant, feature, actor, move |current| {
            precondition.check(live_version(current))?;
            live_version(current).ok_or_else(|| no_preference(&owner, &wanted))?;
            Ok(Wanted::preference(wanted, None))
        })
        .await
    }

    async fn edit_preference<F>(&self, tenant: TenantId, feature: FeatureType, actor: String, decide: F) -> Result<Written>
    where
        F: FnOnce(Option<&Current>) -> Result<Wanted> + Send + 'static,
    {
        let looked_at = feature.clone();
        let edit = Edit {
            tenant,
            feature: Some(feature.clone()),
            actor,
            decide: Box::new(move |tenant| decide(tenant.preferences.get(&looked_at))),
        };
        let edited = self.0.store.edit(edit).await?;
        Ok(Written {
            version: edited.after.preferences.get(&feature).map_or(0, |current| current.version),
            created: live_version(edited.before.preferences.get(&feature)).is_none(),
            receipts: self.receipts(&edited, |name| *name == feature)?,
        })
    }

    /// Replaces a tenant's document: writes what differs, deletes what it omits (W2).
    pub(crate) async fn put_document(&self, tenant: TenantId, value: &Value, precondition: Precondition, actor: String) -> Result<Written> {
        let document = PreferenceDocument::from_json(value)?;
        if let Some(named) = document.tenant_id.filter(|named| *named != tenant) {
            let detail = format!("expected the tenant of the address, {tenant}, got {named}");
            return Err(Invalid::one("/tenant_id", detail).into());
        }
        let stated = document.features.into_iter();
        let stated = stated.map(|(feature, (value, preference))| (feature, Some(Stated::new(&value, preference))));
        self.replace_document(tenant, stated.collect(), precondition, actor, |_| Ok(())).await
    }

    /// Deletes a tenant's document: all of its preferences.
    pub(crate) async fn delete_document(&self, tenant: TenantId, precondition: Precondition, actor: String) -> Result<Written> {
        let owner = tenant.clone();
        let must_be_there = move |version: Option<u64>| version.map(|_| ()).ok_or_else(|| no_document(&owner));
        self.replace_document(tenant, BTreeMap::new(), precondition, actor, must_be_there).await
    }

    async fn replace_document(
        &self,
        tenant: TenantId,
        mut wanted: BTreeMap<FeatureType, Option<Stated>>,
        precondition: Precondition,
        actor: String,
        also_check: impl FnOnce(Option<u64>) -> Result<()> + Send + 'static,
    ) -> Result<Written> {
        let decide = move |tenant: &Tenant| {
            let version = tenant.live().next().map(|_| tenant.revision());
            precondition.check(version)?;
            also_check(version)?;
            for (feature, ..) in tenant.live() {
                wanted.entry(feature.clone()).or_insert(None);
            }
            Ok(Wanted { preferences: wanted, profile: None })
        };
        let edit = Edit { tenant, feature: None, actor, decide: Box::new(decide) };
        let edited = self.0.store.edit(edit).await?;
        let live_before: Vec<_> = edited.before.live().map(|(feature, ..)| feature.clone()).collect();
        let is_concerned =
            |feature: &FeatureType| live_before.contains(feature) || live_version(edited.after.preferences.get(feature)).is_some();
        Ok(Written { version: edited.after.revision(), created: live_before.is_empty(), receipts: self.receipts(&edited, is_concerned)? })
    }

    fn receipts(&self, edited: &Edited, is_concerned: impl Fn(&FeatureType) -> bool) -> Result<BTreeMap<FeatureType, Receipt>> {
        let concerned = edited.after.preferences.iter().filter(|(feature, _)| is_concerned(feature));
        concerned
            .map(|(feature, current)| {
                let is_changed = edited.before.preferences.get(feature).map(|before| before.version) != Some(current.version);
                // A write that changed nothing took effect long ago, but its next run is still to come.
                let from = if is_changed { current.at } else { current.at.max(self.0.clock.now()) };
                Ok((feature.clone(), receipt(current, edited.after.profile.timezone.as_ref(), from)?))
            })
            .collect()
    }

    /// Writes many preferences in one transaction; says for each whether it changed anything.
    pub(crate) async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>> {
        self.0.store.import(rows, actor).await
    }

    /// Many users' preferences for one feature.
    pub(crate) async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse> {
        if request.tenant_ids.len() > MOST_USERS {
            return Err(too_many("/tenant_ids", request.tenant_ids.len(), MOST_USERS));
        }
        self.0.store.preferences(request).await
    }

    /// The groups of a feature.
    pub(crate) async fn groups(&self, feature: &FeatureType) -> Result<GroupList> {
        let emptied_after = self.0.clock.now().saturating_sub(EMPTY_GROUPS_LISTED_FOR);
        let emptied_after = emptied_after.expect("a duration never fails to be subtracted");
        let query = GroupsQuery { feature: feature.clone(), emptied_after, after: 0, limit: 1 << 30 };
        let page = self.0.store.groups(query).await?;
        Ok(GroupList { feature_type: feature.clone(), groups: page.groups, position: page.position, complete_until: page.complete_until })
    }

    /// A page of a member list.
    pub(crate) async fn members(&self, request: ListRequest) -> Result<MembersAnswer> {
        if request.groups.len() > MOST_GROUPS {
            return Err(too_many("/groups", request.groups.len(), MOST_GROUPS));
        }
        let incarnation = self.0.store.incarnation();
        let after = request.cursor.map(|cursor| incarnation.members_after(&cursor)).transpose()?;
        let as_of = instant_of_list(request.as_of.map(whole_micros), after)?.unwrap_or_else(|| whole_micros(self.0.clock.now()));
        let mut groups = request.groups;
        groups.sort_unstable();
        groups.dedup();
        let query = MembersQuery {
            feature: request.feature,
            groups,
            as_of,
            after: after.map_or(0, |after| after.number),
            limit: bounded("limit", request.limit, MEMBERS_A_PAGE, MOST_MEMBERS)?,
        };
        let list = self.0.store.members(query).await?;
        let last = list.members.last().filter(|_| list.has_more);
        let next_cursor = last.map(|last| incarnation.members_cursor(MembersAfter { as_of, number: last.number }));
        Ok(MembersAnswer { list, next_cursor })
    }

    /// A page of the feed; waits for a change if there is none, until the wait is over or the service closes.
    pub(crate) async fn changes(&self, request: ChangesRequest) -> Result<ChangePage> {
        let limit = bounded("limit", request.limit, MOST_CHANGES, MOST_CHANGES)?;
        let store = &*self.0.store;
        let since = store.incarnation().since(request.since.as_deref())?;
        let mut commits = store.commits();
        let mut closing = self.0.closing.subscribe();
        let deadline = Instant::now() + request.wait;
        let start = start_of(store, since).await?;
        loop {
            commits.mark_unchanged();
            let page = store.changes(start, limit).await?;
            if !page.changes.is_empty() || *closing.borrow_and_update() || Instant::now() >= deadline {
                return Ok(page);
            }
            tokio::select! {
                _committed = commits.changed() => {}
                _closing = closing.changed() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }
}

/// What a write answers (M7), with the next run after `from`.
fn receipt(current: &Current, timezone: Option<&Zone>, from: Timestamp) -> Result<Receipt> {
    let preference = current.json.as_deref().map(read_stored).transpose()?;
    Ok(Receipt { version: current.version, takes_effect_at: current.at, next_run: next_run(preference.as_ref(), timezone, from) })
}

fn read_stored(json: &str) -> Result<Preference> {
    let value: Value = serde_json::from_str(json).map_err(|error| ConfigServiceError::Unreadable(format!("a preference: {error}")))?;
    Preference::from_json(&value, "").map_err(|invalid| ConfigServiceError::Unreadable(format!("a preference: {invalid}")))
}

fn live_version(current: Option<&Current>) -> Option<u64> {
    current.filter(|current| current.json.is_some()).map(|current| current.version)
}

/// All pages of a list are of one instant: the cursor's.
fn instant_of_list(asked: Option<Timestamp>, after: Option<MembersAfter>) -> Result<Option<Timestamp>> {
    let begun = after.map(|after| after.as_of);
    match (asked, begun) {
        (Some(asked), Some(begun)) if asked != begun => {
            Err(ConfigServiceError::Parameter(format!("as_of: this cursor goes on with the list as of {begun}, not {asked}")))
        }
        _ => Ok(asked.or(begun)),
    }
}

fn bounded(parameter: &str, asked: Option<usize>, default: usize, most: usize) -> Result<usize> {
    match asked {
        None => Ok(default),
        Some(asked) if (1..=most).contains(&asked) => Ok(asked),
        Some(asked) => Err(ConfigServiceError::Parameter(format!("{parameter}: expected 1 to {most}, got {asked}"))),
    }
}

fn too_many(pointer: &str, got: usize, most: usize) -> ConfigServiceError {
    Invalid::one(pointer, format!("expected at most {most}, got {got}")).into()
}

fn no_preference(tenant: &TenantId, feature: &FeatureType) -> ConfigServiceError {
    ConfigServiceError::NotFound(format!("preference of tenant {tenant:?} for {feature}", tenant = tenant.as_str()))
}

fn no_document(tenant: &TenantId) -> ConfigServiceError {
    ConfigServiceError::NotFound(format!("document feature_preferences of tenant {:?}", tenant.as_str()))
}
