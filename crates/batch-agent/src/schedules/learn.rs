//! How the groups of a job come to be known, and to be planned.

use std::collections::BTreeMap;

use cohort_preferences::{
    Change, ChangeKind, GroupSummary, OwnZone, PreferenceGroup, Schedule, StatedGroup,
    UnresolvedGroup,
};
use jiff::{SignedDuration, Timestamp};
use smallvec::SmallVec;

use super::defaults::Interval;
use super::of_group::{Part, Scheduled, note};
use super::of_job::JobSchedules;
use crate::clock::saturating_add;

/// How far back occurrences of a zone that is new among the tenants are planned again: the list of
/// zones is read anew only so often, and a run that is already open is not opened twice.
const ZONES_REPLANNED: SignedDuration = SignedDuration::from_mins(5);

impl JobSchedules {
    /// From when on a group that has been there since an instant is planned: from that instant,
    /// even if the watermark is later (F1).
    ///
    /// What was known when the watermark was set may be older than the watermark. In between, users
    /// may have come to a group, also to an older one, before the feed told of it: that interval is
    /// planned anew, and runs that were opened in it are found by their unique key. So is what
    /// another time zone database may have named otherwise (T11).
    pub(super) fn first_planned_from(&self, since: Timestamp) -> Timestamp {
        let known_until = self.watermark.known_until;
        since.max(self.watermark.replan_from.map_or(known_until, |from| from.min(known_until)))
    }

    /// From when on the group of a zone that is new among the tenants is planned: it may have been
    /// there for as long as the list of zones was not read.
    pub(super) fn new_zone_planned_from(&self, since: Timestamp) -> Timestamp {
        since.max(saturating_add(self.watermark.planned_until, -ZONES_REPLANNED))
    }

    /// Adds or corrects one stated group.
    pub(super) fn learn_summary(&mut self, summary: &GroupSummary) -> Result<(), UnresolvedGroup> {
        for (group, interval) in self.defaults.intervals(&summary.group)? {
            self.learn(&group, summary, interval, None);
        }
        Ok(())
    }

    /// Makes a stated group part of a preference group for an interval. The group is planned on
    /// from `planned_until` if the part was planned with it before.
    pub(super) fn learn(
        &mut self,
        group: &PreferenceGroup,
        summary: &GroupSummary,
        interval: Interval,
        planned_until: Option<Timestamp>,
    ) {
        let from = planned_until
            .unwrap_or_else(|| self.first_planned_from(summary.since.max(interval.from)));
        if self.is_past(interval, group, from) {
            return;
        }
        let scheduled = self.schedule(group, from);
        let part = scheduled.part_mut(&summary.group);
        (part.count, part.empty_since) = (summary.count, summary.empty_since);
        part.note(interval);
    }

    /// Whether nothing fires in an interval any more, and no run that fired in it can still wait
    /// for its members (F4).
    fn is_past(&self, interval: Interval, group: &PreferenceGroup, from: Timestamp) -> bool {
        let window = self.job.catchup_window(group.frequency());
        interval.until.is_some_and(|until| saturating_add(until, window) <= from)
    }

    /// Makes the tenants of a zone, who state nothing, part of a preference group for an interval.
    pub(super) fn enrol(
        &mut self,
        group: &PreferenceGroup,
        zone: &OwnZone,
        interval: Interval,
        from: Timestamp,
    ) {
        self.zones.insert(zone.clone());
        if !self.is_past(interval, group, from) {
            note(self.schedule(group, from).enrolled.entry(zone.clone()).or_default(), interval);
        }
    }

    /// The group, planned from this instant or earlier.
    pub(super) fn schedule(&mut self, group: &PreferenceGroup, from: Timestamp) -> &mut Scheduled {
        if self.groups.get(group).is_some_and(|scheduled| from < scheduled.planned_until) {
            self.replan(group, from);
        }
        self.revive(group, from);
        let due = &mut self.due;
        self.groups.entry(group.clone()).or_insert_with(|| {
            let schedule = Schedule::of(group);
            let next = schedule.next_after(from);
            due.extend(next.map(|next| (next.at, group.clone())));
            Scheduled {
                schedule,
                stated: SmallVec::new(),
                enrolled: BTreeMap::new(),
                planned_until: from,
                next,
            }
        })
    }

    /// Plans a group anew from an earlier instant.
    fn replan(&mut self, group: &PreferenceGroup, from: Timestamp) {
        let Some(scheduled) = self.groups.get_mut(group) else { return };
        if let Some(next) = scheduled.next {
            self.due.remove(&(next.at, group.clone()));
        }
        scheduled.planned_until = from;
        scheduled.next = scheduled.schedule.next_after(from);
        self.due.extend(scheduled.next.map(|next| (next.at, group.clone())));
    }

    /// Plans a group that had retired, from the instant at which somebody joined it again.
    fn revive(&mut self, group: &PreferenceGroup, from: Timestamp) {
        if self.groups.get(group).is_some_and(|scheduled| scheduled.next.is_none()) {
            self.replan(group, from);
        }
    }

    /// Applies a change of the feed, heard of `now`.
    ///
    /// # Errors
    /// A stated group that no default completes (T12).
    pub(super) fn apply(&mut self, change: &Change, now: Timestamp) -> Result<(), UnresolvedGroup> {
        self.applied.clone_from(&change.id);
        if change.kind == ChangeKind::Defaults {
            self.outdated_since.get_or_insert(now);
            return Ok(());
        }
        if let Some(left) = &change.left {
            self.leave(left, change.at);
        }
        change.joined.as_ref().map_or(Ok(()), |joined| self.join(joined, change.at))
    }

    fn leave(&mut self, stated: &StatedGroup, at: Timestamp) {
        // A group that no default completes was never planned: nobody leaves it.
        let Ok(group) = self.defaults.resolve(stated) else { return };
        if let Some(part) = self.part_mut(&group, stated) {
            part.lose_one(at);
        }
    }

    fn join(&mut self, stated: &StatedGroup, at: Timestamp) -> Result<(), UnresolvedGroup> {
        let group = self.defaults.resolve(stated)?;
        if let Some(part) = self.part_mut(&group, stated) {
            part.gain_one();
            self.revive(&group, at);
            return Ok(());
        }
        let group = stated.clone();
        self.learn_summary(&GroupSummary { group, count: 1, since: at, empty_since: None })
    }

    fn part_mut(&mut self, group: &PreferenceGroup, stated: &StatedGroup) -> Option<&mut Part> {
        self.groups.get_mut(group)?.known_part_mut(stated)
    }
}
