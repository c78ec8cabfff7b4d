//! The schedules of one job: its preference groups, and how far each is planned.
//!
//! A group is learnt of from the list of groups, from the feed, or as that of tenants who are
//! enrolled. It is planned from the instant at which it came to be (F1), by the defaults of each
//! occurrence's own instant (T12), and retires when nobody is in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cohort_preferences::{
    Change, ChangeKind, GroupSummary, Job, Occurrence, OwnZone, PreferenceGroup, Schedule,
    UnresolvedGroup,
};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use smallvec::SmallVec;

use super::defaults::{DefaultsInTime, Interval};
use super::misfire::{Verdict, judge};
use super::of_group::{GroupSources, Scheduled, note};
use crate::clock::saturating_add;
use crate::jobs::JobInForce;
use cohort_ledger::{FiringName, Pause, Watermark};

/// How far back occurrences of a zone that is new among the tenants are planned again: the list of
/// zones is read anew only so often, and a run that is already open is not opened twice.
const ZONES_REPLANNED: SignedDuration = SignedDuration::from_mins(5);

/// What is known of one job: its groups, and how far each is planned.
#[derive(Debug)]
pub(super) struct JobSchedules {
    pub(super) job: Arc<Job>,
    /// `None` for a job that is not stored.
    pub(super) version: Option<u32>,
    pub(super) pause: Option<Pause>,
    pub(super) watermark: Watermark,
    /// The interval from the watermark's `replan_from` on is still to be planned anew (T11).
    pub(super) is_replanning: bool,
    /// The feed's cursor up to which changes are in the groups: reading one twice does no harm
    /// (F7).
    pub(super) applied: String,
    pub(super) defaults: DefaultsInTime,
    /// When the feed was heard to name other defaults than these: the groups are to be read anew.
    pub(super) outdated_since: Option<Timestamp>,
    /// When the list of groups was first found to be suddenly empty; `None` while it is believed
    /// (M8).
    pub(super) doubted_since: Option<Timestamp>,
    /// The zones of the tenants that it enrols.
    pub(super) zones: BTreeSet<OwnZone>,
    pub(super) groups: HashMap<PreferenceGroup, Scheduled>,
    pub(super) due: BTreeSet<(Timestamp, PreferenceGroup)>,
}

/// Only occurrences whose nominal date lies within are planned; for simulations of an interval of the
/// calendar.
#[derive(Debug, Clone, Copy)]
pub struct NominalDates {
    /// The first date.
    pub first: Date,
    /// The last date, included.
    pub last: Date,
}

/// Occurrences that have runs.
pub(crate) type Named = HashSet<(PreferenceGroup, FiringName)>;

/// An occurrence that has come due, and what is to be done about it.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) group: PreferenceGroup,
    pub(crate) sources: GroupSources,
    pub(crate) occurrence: Occurrence,
    pub(crate) verdict: Verdict,
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
            doubted_since: None,
            zones: BTreeSet::new(),
            groups: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Notes whether an interval is to be planned anew that the schedules of before know nothing of,
    /// or have not planned yet. Returns whether its planning begins with these schedules (T11).
    pub(super) fn begins_anew(&mut self, earlier: Option<&Self>) -> bool {
        let begins = self.watermark.replan_from.is_some()
            && earlier
                .is_none_or(|earlier| earlier.watermark.replan_from != self.watermark.replan_from);
        self.is_replanning = begins || earlier.is_some_and(|earlier| earlier.is_replanning);
        begins
    }

    /// A group is planned from the instant at which it came to be, even if the watermark is already
    /// later (F1). Between what was known when the watermark was set and the watermark, users may have come
    /// to it without a word to us, also to one that is older: that interval is planned anew, and
    /// runs that were opened in it are found by their unique key. So is what another time zone
    /// database may have named otherwise (T11).
    pub(super) fn first_planned_from(&self, since: Timestamp) -> Timestamp {
        since.max(
            self.watermark
                .replan_from
                .map_or(self.watermark.known_until, |from| from.min(self.watermark.known_until)),
        )
    }

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

    /// Whether nothing fires in an interval any more, and no run that fired in it can still wait for
    /// its members (F4).
    fn is_past(&self, interval: Interval, group: &PreferenceGroup, from: Timestamp) -> bool {
        let window = self.job.catchup_window(group.frequency());
        interval.until.is_some_and(|until| saturating_add(until, window) <= from)
    }

    /// A zone that is new among the tenants has been there for as long as the list was not read.
    pub(super) fn replanned_from(&self, since: Timestamp) -> Timestamp {
        since.max(saturating_add(self.watermark.planned_until, -ZONES_REPLANNED))
    }

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

    /// Plans a group anew from an earlier instant: runs that were opened since are found by their
    /// unique key.
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

    pub(super) fn apply(&mut self, change: &Change, now: Timestamp) -> Result<(), UnresolvedGroup> {
        self.applied.clone_from(&change.id);
        if change.kind == ChangeKind::Defaults {
            self.outdated_since.get_or_insert(now);
            return Ok(());
        }
        if let Some(left) = &change.left
            && let Ok(group) = self.defaults.resolve(left)
            && let Some(part) =
                self.groups.get_mut(&group).and_then(|scheduled| scheduled.known_part_mut(left))
        {
            part.lose_one(change.at);
        }
        let Some(joined) = &change.joined else { return Ok(()) };
        let group = self.defaults.resolve(joined)?;
        match self.groups.get_mut(&group).and_then(|scheduled| scheduled.known_part_mut(joined)) {
            Some(part) => {
                part.gain_one();
                self.revive(&group, change.at);
            }
            None => {
                let summary = GroupSummary {
                    group: joined.clone(),
                    count: 1,
                    since: change.at,
                    empty_since: None,
                };
                for (group, interval) in self.defaults.intervals(joined)? {
                    self.learn(&group, &summary, interval, None);
                }
            }
        }
        Ok(())
    }

    pub(super) fn due_of(
        &self,
        group: &PreferenceGroup,
        now: Timestamp,
        horizon: Option<NominalDates>,
        named: &Named,
    ) -> Vec<Due> {
        let scheduled = &self.groups[group];
        let until = scheduled.gone_since().map_or(now, |gone| gone.min(now));
        let in_horizon = |occurrence: &Occurrence| {
            horizon
                .is_none_or(|dates| (dates.first..=dates.last).contains(&occurrence.nominal.date()))
        };
        let is_named = |occurrence: &Occurrence| {
            named.contains(&(group.clone(), FiringName::Nominal(occurrence.nominal)))
        };
        let due: Vec<Occurrence> = scheduled
            .schedule
            .after(scheduled.planned_until)
            .take_while(|occurrence| occurrence.at <= until)
            .filter(|occurrence| in_horizon(occurrence) && scheduled.is_made_up(occurrence.at))
            .filter(|occurrence| !self.is_planned_by_instant(occurrence) && !is_named(occurrence))
            .collect();
        let verdicts = judge(&self.job, self.pause, group, &due, now);
        let due = due.into_iter().zip(verdicts);
        due.map(|(occurrence, verdict)| Due {
            group: group.clone(),
            sources: scheduled.sources(occurrence.at),
            occurrence,
            verdict,
        })
        .collect()
    }

    /// Whether another time zone database has nothing to say of an occurrence that was planned: a
    /// name with an offset says the instant, and the instant is past (T9, T11).
    fn is_planned_by_instant(&self, occurrence: &Occurrence) -> bool {
        self.is_replanning
            && occurrence.nominal.offset().is_some()
            && occurrence.at <= self.watermark.known_until
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.is_replanning = false;
        self.watermark.planned_until = self.watermark.planned_until.max(now);
        while let Some((at, group)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, group));
                return;
            }
            let scheduled = self.groups.get_mut(&group).expect("what is due is a group");
            if let Some(gone) = scheduled.gone_since().filter(|gone| *gone <= now) {
                scheduled.retire(gone);
                continue;
            }
            scheduled.planned_until = now;
            scheduled.next = scheduled.schedule.next_after(now);
            self.due.extend(scheduled.next.map(|next| (next.at, group)));
        }
    }
}
