//! One preference group of a job: what makes it up, and from when to when.

use std::collections::BTreeMap;

use cohort_preferences::{Occurrence, OwnZone, Schedule, StatedGroup};
use jiff::Timestamp;
use smallvec::SmallVec;

use super::defaults::Interval;

/// A preference group of a job, and how far it is planned.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) schedule: Schedule,
    /// Inline for one, since there is hardly ever another: with very many groups, each byte counts.
    pub(super) stated: SmallVec<[Part; 1]>,
    /// The zones of the tenants that are enrolled in it.
    pub(super) enrolled: BTreeMap<OwnZone, SmallVec<[Interval; 1]>>,
    pub(super) planned_until: Timestamp,
    pub(super) next: Option<Occurrence>,
}

/// A stated group as part of a preference group.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) group: StatedGroup,
    pub(super) count: u64,
    pub(super) empty_since: Option<Timestamp>,
    pub(super) intervals: SmallVec<[Interval; 1]>,
}

/// What makes up a preference group at an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupSources {
    pub(crate) stated: Vec<StatedGroup>,
    /// The zones of the tenants that are enrolled in it.
    pub(crate) enrolled: Vec<OwnZone>,
}

/// Why it is not known what makes up a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroupSourcesUnknown {
    /// The defaults have changed, and the groups are still to be read anew (T12).
    #[error("the defaults have changed, and the groups are not read anew yet")]
    DefaultsChanged {
        /// When that was heard of.
        heard_at: Timestamp,
    },
    /// The list of groups is suddenly empty, and not believed (M8).
    #[error("the list of groups is suddenly empty")]
    SuddenlyEmpty,
}

impl Scheduled {
    pub(super) fn part(&self, stated: &StatedGroup) -> Option<&Part> {
        self.stated.iter().find(|part| part.group == *stated)
    }

    pub(super) fn known_part_mut(&mut self, stated: &StatedGroup) -> Option<&mut Part> {
        self.stated.iter_mut().find(|part| part.group == *stated)
    }

    /// The part of a stated group, added if there is none.
    pub(super) fn part_mut(&mut self, stated: &StatedGroup) -> &mut Part {
        let known = self.stated.iter().position(|part| part.group == *stated);
        let index = known.unwrap_or_else(|| {
            self.stated.push(Part {
                group: stated.clone(),
                count: 0,
                empty_since: None,
                intervals: SmallVec::new(),
            });
            self.stated.len() - 1
        });
        &mut self.stated[index]
    }

    /// What makes up the group at an instant.
    pub(super) fn sources(&self, at: Timestamp) -> GroupSources {
        let stated = self
            .stated
            .iter()
            .filter(|part| holds(&part.intervals, at))
            .map(|part| part.group.clone());
        let enrolled = self
            .enrolled
            .iter()
            .filter(|(_, intervals)| holds(*intervals, at))
            .map(|(zone, _)| zone.clone());
        GroupSources { stated: stated.collect(), enrolled: enrolled.collect() }
    }

    /// Whether the group fires at an instant. It does not while no default completes any stated
    /// group to it.
    pub(super) fn is_made_up(&self, at: Timestamp) -> bool {
        self.is_static() || holds(self.intervals(), at)
    }

    /// A static job's group is made up of nothing: it is there as long as the job.
    fn is_static(&self) -> bool {
        self.stated.is_empty() && self.enrolled.is_empty()
    }

    pub(super) fn intervals(&self) -> impl Iterator<Item = &Interval> {
        self.stated.iter().flat_map(|part| &part.intervals).chain(self.enrolled.values().flatten())
    }

    pub(super) fn members(&self) -> u64 {
        let now = self
            .stated
            .iter()
            .filter(|part| part.intervals.iter().any(|interval| interval.until.is_none()));
        now.map(|part| part.count).sum()
    }

    /// Stops its timer, until somebody joins it. Its sources stay until the groups are read anew: a
    /// run may still wait for its members (F4).
    pub(super) fn retire(&mut self, gone: Timestamp) {
        self.planned_until = self.planned_until.max(gone);
        self.next = None;
    }

    /// Since when nobody has been in it; `None` while somebody is or may be.
    pub(super) fn gone_since(&self) -> Option<Timestamp> {
        let stated = self.stated.iter().map(Part::gone_since);
        let enrolled = self.enrolled.values().map(|intervals| ended(intervals));
        stated.chain(enrolled).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

impl Part {
    pub(super) fn note(&mut self, interval: Interval) {
        note(&mut self.intervals, interval);
    }

    pub(super) fn gain_one(&mut self) {
        self.count += 1;
        self.empty_since = None;
    }

    pub(super) fn lose_one(&mut self, at: Timestamp) {
        self.count = self.count.saturating_sub(1);
        self.empty_since = (self.count == 0).then_some(at);
    }

    fn gone_since(&self) -> Option<Timestamp> {
        match (self.empty_since, ended(&self.intervals)) {
            (Some(empty), Some(ended)) => Some(empty.min(ended)),
            (empty, ended) => empty.or(ended),
        }
    }
}

pub(super) fn note(intervals: &mut SmallVec<[Interval; 1]>, interval: Interval) {
    if !intervals.contains(&interval) {
        intervals.push(interval);
    }
}

fn holds<'a>(intervals: impl IntoIterator<Item = &'a Interval>, at: Timestamp) -> bool {
    intervals.into_iter().any(|interval| interval.contains(at))
}

/// When the last of these ended; `None` if one has not.
fn ended(intervals: &[Interval]) -> Option<Timestamp> {
    intervals.iter().map(|interval| interval.until).collect::<Option<Vec<_>>>()?.into_iter().max()
}
