//! What a user's history says of the preference and the zone at any instant.

use cohort_preferences::{
    Enroll, FeatureType, Preference, PreferenceGroup, StatedGroup, TimeKey, Zone,
};
use jiff::Timestamp;

use super::interval::{NoGroup, StatedPreference};
use crate::schedules::DefaultsInTime;
use crate::source::HistoryEntry;

/// What a user stated over time about one feature, and which zones they called their own.
pub(super) struct StatedHistory {
    /// Each version of the preference, `None` for a deletion; oldest first.
    versions: Vec<(Timestamp, u64, Option<Preference>)>,
    /// Each zone of the tenant's own, `None` where they had none; oldest first.
    zones: Vec<(Timestamp, Option<Zone>)>,
    /// Since when the tenant has been there, as far as is known.
    created: Timestamp,
    /// Whether the first version is still known.
    is_whole: bool,
}

impl StatedHistory {
    /// Reads a history, which is newest first.
    pub(super) fn of(feature: &FeatureType, history: &[HistoryEntry]) -> Self {
        let of_feature = |entry: &&HistoryEntry| entry.feature_type.as_ref() == Some(feature);
        let of_profile = |entry: &&HistoryEntry| entry.feature_type.is_none();
        let versions: Vec<_> = history.iter().rev().filter(of_feature).map(version).collect();
        Self {
            is_whole: versions.first().is_none_or(|(_, version, _)| *version == 1),
            versions,
            zones: history.iter().rev().filter(of_profile).map(zone).collect(),
            created: history.last().map_or(Timestamp::MIN, |first| first.at),
        }
    }

    /// The instants at which anything changes, in no order.
    pub(super) fn changes(&self) -> impl Iterator<Item = Timestamp> {
        let versions = self.versions.iter().map(|(at, ..)| *at);
        versions.chain(self.zones.iter().map(|(at, _)| *at)).chain([self.created])
    }

    /// What the user had stated as of an instant, to a job that enrolls like this.
    pub(super) fn stated_at(&self, instant: Timestamp, enroll: Enroll) -> StatedPreference {
        match self.versions.iter().rfind(|(at, ..)| *at <= instant) {
            Some((since, version, Some(preference))) => StatedPreference::Stated {
                version: *version,
                since: *since,
                preference: Box::new(preference.clone()),
            },
            Some((since, version, None)) => {
                StatedPreference::Deleted { version: *version, since: *since }
            }
            None if !self.is_whole => StatedPreference::Forgotten,
            None => StatedPreference::Nothing {
                is_enrolled: enroll == Enroll::Everyone && self.created <= instant,
            },
        }
    }

    /// The group that a statement comes to; of a deletion, what was stated before came to.
    pub(super) fn group_at(
        &self,
        instant: Timestamp,
        stated: &StatedPreference,
        defaults: &DefaultsInTime,
    ) -> Result<PreferenceGroup, NoGroup> {
        let zone = self.zone_at(instant);
        let stated = match stated {
            StatedPreference::Stated { preference, .. } => Some(preference.stated_group(zone)),
            StatedPreference::Deleted { .. } => {
                self.last_stated_at(instant).map(|preference| preference.stated_group(zone))
            }
            StatedPreference::Nothing { is_enrolled: true } => {
                StatedGroup::new(None, TimeKey::Unstated, zone.cloned()).ok()
            }
            StatedPreference::Nothing { is_enrolled: false }
            | StatedPreference::Forgotten
            | StatedPreference::Irrelevant => None,
        };
        let stated = stated.ok_or(NoGroup::NothingStated)?;
        defaults.resolve_at(&stated, instant).map_err(|unresolved| NoGroup::Lacks(unresolved.field))
    }

    fn last_stated_at(&self, instant: Timestamp) -> Option<&Preference> {
        self.versions
            .iter()
            .rev()
            .filter(|(at, ..)| *at <= instant)
            .find_map(|(_, _, preference)| preference.as_ref())
    }

    fn zone_at(&self, instant: Timestamp) -> Option<&Zone> {
        self.zones.iter().rfind(|(at, _)| *at <= instant).and_then(|(_, zone)| zone.as_ref())
    }
}

/// A version of the preference. One that only a newer version of the program understands reads as
/// one that states nothing.
fn version(entry: &HistoryEntry) -> (Timestamp, u64, Option<Preference>) {
    let preference =
        entry.after.as_ref().map(|after| Preference::from_json(after, "").unwrap_or_default());
    (entry.at, entry.version, preference)
}

fn zone(entry: &HistoryEntry) -> (Timestamp, Option<Zone>) {
    let name = entry.after.as_ref().and_then(|profile| profile["timezone"].as_str());
    (entry.at, name.and_then(|name| name.parse().ok()))
}
