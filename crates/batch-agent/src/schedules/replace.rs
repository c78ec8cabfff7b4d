//! The schedules of a job made anew, from a list of its groups.

use cohort_ledger::Watermark;
use cohort_preferences::{
    GroupList, GroupSummary, OwnZone, PreferenceGroup, StatedGroup, TenantTimezone, TimeKey,
    UnresolvedGroup,
};
use jiff::Timestamp;

use super::defaults::DefaultsInTime;
use super::of_group::Scheduled;
use super::of_job::JobSchedules;
use crate::jobs::JobInForce;

/// What the Config Database says of a job's groups.
pub(crate) struct Listed<'a> {
    pub(crate) defaults: DefaultsInTime,
    /// The stated groups of the job's feature.
    pub(crate) list: GroupList,
    /// The zones of the tenants that the job enrols.
    pub(crate) zones: &'a [TenantTimezone],
}

impl JobSchedules {
    /// The schedules of a job by a list of its groups, in the place of the `earlier` ones.
    ///
    /// # Errors
    /// A stated group that no default completes (T12).
    pub(super) fn of_list(
        job: &JobInForce,
        watermark: Watermark,
        listed: Listed<'_>,
        earlier: Option<&Self>,
    ) -> Result<Self, UnresolvedGroup> {
        let Listed { defaults, list, zones } = listed;
        let mut fresh = Self::new(job, watermark, list.position, defaults);
        let goes_on = fresh.go_on_from(earlier);
        for summary in &list.groups {
            fresh.learn_listed(summary, goes_on)?;
        }
        for zone in zones {
            let is_new = earlier.is_some_and(|earlier| !earlier.zones.contains(&zone.timezone));
            fresh.enrol_listed(zone, is_new, goes_on)?;
        }
        Ok(fresh)
    }

    /// The schedules of a static job, which has one group, in the place of the `earlier` ones.
    pub(super) fn of_static(
        job: &JobInForce,
        watermark: Watermark,
        group: &PreferenceGroup,
        earlier: Option<&Self>,
    ) -> Self {
        let defaults = DefaultsInTime::of_job(&job.job);
        let mut fresh = Self::new(job, watermark, String::new(), defaults);
        let known = fresh.go_on_from(earlier).and_then(|earlier| earlier.groups.get(group));
        let from = known.map_or_else(
            || watermark.replan_from.unwrap_or(watermark.planned_until).max(job.applied_at()),
            |scheduled| scheduled.planned_until,
        );
        fresh.schedule(group, from);
        fresh
    }

    /// Marks the interval for replanning if the earlier schedules did not cover it, or have not
    /// planned it yet (T11). Returns the earlier schedules if their planning goes on; `None` if it
    /// begins with these.
    fn go_on_from<'a>(&mut self, earlier: Option<&'a Self>) -> Option<&'a Self> {
        let covered = earlier.and_then(|earlier| earlier.watermark.replan_from);
        let replan_from = self.watermark.replan_from;
        let begins = replan_from.is_some() && covered != replan_from;
        self.is_replanning = begins || earlier.is_some_and(|earlier| earlier.is_replanning);
        earlier.filter(|_| !begins)
    }

    /// Learns of a stated group. One that was part of its preference group already is planned on
    /// from where that was; one that is new to it has not been planned with it.
    fn learn_listed(
        &mut self,
        summary: &GroupSummary,
        goes_on: Option<&Self>,
    ) -> Result<(), UnresolvedGroup> {
        for (group, interval) in self.defaults.intervals(&summary.group)? {
            let known = goes_on
                .and_then(|earlier| earlier.alive(&group))
                .filter(|scheduled| scheduled.part(&summary.group).is_some());
            let planned_until = known.map(|scheduled| scheduled.planned_until);
            self.learn(&group, summary, interval, planned_until);
        }
        Ok(())
    }

    /// Learns of the tenants of a zone that the job enrols.
    fn enrol_listed(
        &mut self,
        zone: &TenantTimezone,
        is_new: bool,
        goes_on: Option<&Self>,
    ) -> Result<(), UnresolvedGroup> {
        for (group, interval) in self.defaults.intervals(&nothing_stated(&zone.timezone))? {
            let since = zone.since.max(interval.from);
            let known = goes_on.and_then(|earlier| earlier.alive(&group));
            let from: Timestamp = match known {
                _ if is_new => self.new_zone_planned_from(since),
                Some(scheduled) => scheduled.planned_until,
                None => self.first_planned_from(since),
            };
            self.enrol(&group, &zone.timezone, interval, from);
        }
        Ok(())
    }

    /// A group that somebody is in.
    fn alive(&self, group: &PreferenceGroup) -> Option<&Scheduled> {
        self.groups.get(group).filter(|scheduled| scheduled.gone_since().is_none())
    }
}

/// The group of a tenant who stated nothing (T12).
fn nothing_stated(zone: &OwnZone) -> StatedGroup {
    StatedGroup::new(None, TimeKey::Unstated, zone.0.clone()).expect("no frequency fits no time")
}
