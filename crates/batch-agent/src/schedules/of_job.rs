//! The schedules of one job: its preference groups, and how far each is planned.
//!
//! ```text
//! list of groups, feed, enrolled tenants
//!    │ learn, enrol: planned from the instant at which it came to be (F1)
//!    ▼
//! planned: has a next occurrence, and stands in `due` ◄── advance: on to the one after
//!    │ advance: nobody is in it any more       ▲
//!    ▼                                         │ revive: somebody joins
//! retired: fires no more, keeps its sources ───┘
//! ```
//!
//! Each occurrence is planned by the defaults of its own instant (T12). A group is planned again
//! from an earlier instant (`replan`) if somebody turns out to have been in it then: runs that were
//! opened since are found by their unique key. When the list is read anew (`replace`), groups that
//! nobody is in are forgotten.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cohort_ledger::{Pause, Watermark};
use cohort_preferences::{FeatureType, Job, OwnZone, PreferenceGroup};
use jiff::Timestamp;

use super::defaults::DefaultsInTime;
use super::of_group::{GroupSources, GroupSourcesUnknown, Scheduled};
use crate::jobs::JobInForce;

/// What is known of one job: its groups, and how far each is planned.
#[derive(Debug)]
pub(super) struct JobSchedules {
    pub(super) job: Arc<Job>,
    /// `None` for a job that is not stored.
    pub(super) version: Option<u32>,
    pub(super) pause: Option<Pause>,
    pub(super) watermark: Watermark,
    /// Whether the interval from the watermark's `replan_from` on is still to be planned anew
    /// (T11).
    pub(super) is_replanning: bool,
    /// The feed's cursor up to which changes are in the groups: reading one twice does no harm
    /// (F7).
    pub(super) applied: String,
    pub(super) defaults: DefaultsInTime,
    /// When the feed was heard to name other defaults than these: the groups are to be read anew.
    pub(super) outdated_since: Option<Timestamp>,
    /// When the list of groups was first found to be suddenly empty; `None` while the list is
    /// trusted (M8).
    pub(super) distrusted_since: Option<Timestamp>,
    /// The zones of the tenants that it enrols.
    pub(super) zones: BTreeSet<OwnZone>,
    pub(super) groups: HashMap<PreferenceGroup, Scheduled>,
    /// The planned groups by the instant at which each fires next.
    pub(super) due: BTreeSet<(Timestamp, PreferenceGroup)>,
}

impl JobSchedules {
    pub(super) fn new(
        job: &JobInForce,
        watermark: Watermark,
        applied: String,
        defaults: DefaultsInTime,
    ) -> Self {
        Self {
            job: Arc::clone(&job.job),
            version: job.version(),
            pause: job.pause(),
            watermark,
            is_replanning: false,
            applied,
            defaults,
            outdated_since: None,
            distrusted_since: None,
            zones: BTreeSet::new(),
            groups: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Whether the job follows the preferences for a feature.
    pub(super) fn follows(&self, feature: &FeatureType) -> bool {
        self.job.preference_based && self.job.feature_type == *feature
    }

    /// Whether anybody is known whom the job serves.
    pub(super) fn know_anybody(&self) -> bool {
        !self.zones.is_empty() || self.groups.values().any(|group| group.members() > 0)
    }

    /// Up to when the feed can be trusted to have told of the groups; without an end, while their
    /// list is trusted.
    pub(super) fn trusted_until(&self) -> Timestamp {
        self.distrusted_since.map_or(Timestamp::MAX, |_| self.watermark.known_until)
    }

    /// When the next of its groups is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// From when on it is planned anew (T11); `None` if it is not.
    pub(super) fn replanned_from(&self) -> Option<Timestamp> {
        self.watermark.replan_from.filter(|_| self.is_replanning)
    }

    /// What makes up a preference group at an instant; nothing if the group is not known.
    pub(super) fn sources(
        &self,
        group: &PreferenceGroup,
        at: Timestamp,
    ) -> Result<GroupSources, GroupSourcesUnknown> {
        if self.distrusted_since.is_some() {
            return Err(GroupSourcesUnknown::SuddenlyEmpty);
        }
        if let Some(heard_at) = self.outdated_since {
            return Err(GroupSourcesUnknown::DefaultsChanged { heard_at });
        }
        let scheduled = self.groups.get(group);
        Ok(scheduled.map(|scheduled| scheduled.sources(at)).unwrap_or_default())
    }
}
