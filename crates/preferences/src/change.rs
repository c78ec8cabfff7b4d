//! Changes of preferences, as the feed carries them (F7), and what a write returns (M7).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::group::StatedGroup;
use crate::id::{FeatureType, TenantId};
use crate::nominal::NominalTime;
use crate::occurrence::Occurrence;
use crate::zone::Zone;

/// One committed change of one user's preference for one feature, or of a feature's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its cursor in the feed, opaque and growing.
    pub id: String,
    /// Whose preference; `None` where the defaults changed, and for a user who has been erased
    /// since (W8).
    pub tenant_id: Option<TenantId>,
    /// The tenant's number, as in member lists; `None` where the defaults changed.
    #[serde(default)]
    pub number: Option<u64>,
    /// For which feature.
    pub feature_type: FeatureType,
    /// The version after the change, of the preference (W2) or of the feature's definition.
    pub version: u64,
    /// The commit instant on the Config Database's clock (M1).
    pub at: Timestamp,
    /// What happened.
    pub kind: ChangeKind,
    /// The group that the user left with it, if the change moved them.
    pub left: Option<StatedGroup>,
    /// The group that the user joined with it, if the change moved them.
    pub joined: Option<StatedGroup>,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The preference was created or replaced.
    Set,
    /// The preference was deleted; its version lives on.
    Deleted,
    /// The feature was defined anew, and with it maybe its default preferences (T12).
    Defaults,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePage {
    /// The changes, oldest first.
    pub changes: Vec<Change>,
    /// The cursor for the next request, also where there are no changes.
    pub next: String,
    /// Every change stamped at or before this instant is in this page or an earlier one.
    pub complete_until: Timestamp,
}

/// What a preference write returns (M7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The preference's version after the write (W2).
    pub version: u64,
    /// The commit instant: occurrences from here on see the write.
    pub takes_effect_at: Timestamp,
    /// The next occurrence, or why none can be named.
    #[serde(flatten)]
    pub next_run: NextRun,
    /// What makes most jobs skip the next run; `None` if nothing is known that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub already_ran: Option<AlreadyRan>,
}

/// The day that the next run falls on had a run of the user before the write (M6). A job that runs
/// a user once a day, as jobs do unless they say otherwise, then skips the next run as
/// `already_ran`, if the earlier one was not skipped itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlreadyRan {
    /// The run that was due for the user before the write.
    pub earlier: NamedRun,
    /// The first run of a later day; null if there is none.
    pub then: Option<NamedRun>,
}

/// The next occurrence of a preference, or why none can be named (M7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NextRun {
    /// It fires next at this occurrence.
    At {
        /// The occurrence.
        next_run: NamedRun,
    },
    /// No next run can be named.
    Unknown {
        /// Always null.
        next_run: (),
        /// Why.
        reason: NoNextRun,
    },
}

/// A next run in M7's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRun {
    /// The nominal time that names it.
    pub nominal: NominalTime,
    /// On whose clock.
    pub timezone: String,
    /// The instant.
    pub at: Timestamp,
}

impl NamedRun {
    /// The run of an occurrence on this zone's clock.
    pub fn of(occurrence: Occurrence, timezone: &Zone) -> Self {
        Self {
            nominal: occurrence.nominal,
            timezone: timezone.name().to_owned(),
            at: occurrence.at,
        }
    }
}

/// Why no next run can be named (M7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoNextRun {
    /// The user left something to the defaults of whichever job runs the feature.
    DependsOnJob,
    /// The preference is switched off or deleted.
    Disabled,
    /// The next occurrence falls into the snooze.
    Snoozed,
}

impl NextRun {
    /// The next run on this zone's clock.
    pub fn at(occurrence: Occurrence, timezone: &Zone) -> Self {
        Self::At { next_run: NamedRun::of(occurrence, timezone) }
    }

    /// No next run, for this reason.
    pub fn unknown(reason: NoNextRun) -> Self {
        Self::Unknown { next_run: (), reason }
    }
}

/// Whether cursor `a` of the change feed stands behind `b`, where both are of one incarnation of
/// the database.
///
/// Cursors are opaque but ordered: behind the incarnation stands a number, which grows, and then
/// the fingerprint of the change of that number, if the cursor has one. A cursor of another
/// incarnation is refused by the Config Database, so it never comes to be compared (F11).
pub fn is_later_cursor(a: &str, b: &str) -> bool {
    let number = |cursor: &str| -> Option<u64> { cursor.split('-').nth(1)?.parse().ok() };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a > b,
        // Not a cursor of ours: a longer one is taken for a later one.
        _ => (a.len(), a) > (b.len(), b),
    }
}

/// Whether two cursors of the change feed are of one incarnation of the database, which stands
/// before the first `-` of each (F11).
pub fn is_of_one_feed(a: &str, b: &str) -> bool {
    let incarnation =
        |cursor: &str| cursor.split_once('-').map(|(incarnation, _)| incarnation.to_owned());
    incarnation(a) == incarnation(b)
}
