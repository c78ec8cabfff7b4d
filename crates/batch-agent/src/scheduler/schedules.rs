//! The schedules of all jobs in memory: which preference groups there are, and when each is due next.
//!
//! A job's defaults turn the stated groups of its feature into preference groups, one timer each (T12). Counts are kept
//! from the change feed, so that a change costs what changed and not what exists. Nothing here does I/O: the scheduler
//! asks what is due, records it in the ledger, and only then moves the schedules on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use cohort_preferences::{
    Change, FeatureType, GroupList, GroupSummary, Job, JobId, Occurrence, PreferenceGroup, Schedule, StatedGroup, UnresolvedGroup,
    is_later_cursor,
};
use jiff::Timestamp;
use jiff::civil::Date;

use super::plan::{Verdict, judge};
use crate::ledger::{Mark, Pause};
use crate::processor::JobInForce;

/// Only occurrences whose nominal date lies within are planned; for simulations of a stretch of the calendar.
#[derive(Debug, Clone, Copy)]
pub struct NominalDates {
    /// The first date.
    pub first: Date,
    /// The last date, included.
    pub last: Date,
}

/// All schedules, shared by the scheduler, the watch and the processor.
#[derive(Debug)]
pub(crate) struct Schedules {
    jobs: Mutex<Vec<JobSchedules>>,
    horizon: Option<NominalDates>,
}

#[derive(Debug)]
struct JobSchedules {
    job: Arc<Job>,
    /// `None` for a job that is not stored.
    version: Option<u32>,
    pause: Option<Pause>,
    mark: Mark,
    /// The feed's cursor up to which changes are in the groups: reading one twice does no harm (F7).
    applied: String,
    groups: HashMap<PreferenceGroup, Scheduled>,
    due: BTreeSet<(Timestamp, PreferenceGroup)>,
}

#[derive(Debug)]
struct Scheduled {
    schedule: Schedule,
    stated: BTreeMap<StatedGroup, Members>,
    planned_until: Timestamp,
    next: Option<Occurrence>,
}

#[derive(Debug, Clone, Copy)]
struct Members {
    count: u64,
    empty_since: Option<Timestamp>,
}

/// What a job was when its mark was set, and when it became another.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) job: Job,
    pub(crate) at: Timestamp,
}

/// An occurrence that has come due, and what is to be done about it.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) group: PreferenceGroup,
    pub(crate) stated: Vec<StatedGroup>,
    pub(crate) occurrence: Occurrence,
    pub(crate) verdict: Verdict,
}

/// A group and when it fires next, for those who look.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ScheduleView {
    /// Which job.
    pub job_id: JobId,
    /// Of which feature.
    pub feature_type: FeatureType,
    /// Which group.
    #[serde(flatten)]
    pub group: PreferenceGroup,
    /// How many users it has.
    pub members: u64,
    /// When it fires next; `None` at the end of the calendar.
    pub next: Option<Occurrence>,
}

impl Schedules {
    pub(crate) fn new(horizon: Option<NominalDates>) -> Self {
        Self { jobs: Mutex::new(Vec::new()), horizon }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JobSchedules>> {
        self.jobs.lock().expect("the schedules are changed by code that does not panic")
    }

    /// Replaces what is known of the job's groups by this list; groups that stay keep how far they are planned.
    ///
    /// # Errors
    /// A stated group that no default completes (T12); nothing has changed then.
    pub(crate) fn replace(
        &self,
        in_force: &JobInForce,
        replaced: Option<&Replaced>,
        mark: Mark,
        list: GroupList,
    ) -> Result<(), UnresolvedGroup> {
        let (job, version, pause) = (Arc::clone(&in_force.job), in_force.version(), in_force.pause());
        let mut fresh = JobSchedules { job, version, pause, mark, applied: list.position, groups: HashMap::new(), due: BTreeSet::new() };
        let job = &in_force.job;
        let mut jobs = self.lock();
        let earlier = jobs.iter().position(|schedules| schedules.job.job_id == job.job_id);
        for summary in list.groups {
            let group = summary.group.resolve(&job.defaults())?;
            let known = earlier.and_then(|index| jobs[index].groups.get(&group)).map(|scheduled| scheduled.planned_until);
            let moved = replaced.filter(|before| summary.group.resolve(&before.job.defaults()).as_ref() != Ok(&group));
            let from = known.or_else(|| moved.map(|moved| fresh.first_planned_from(summary.since).max(moved.at)));
            fresh.learn(group, summary, from);
        }
        match earlier {
            Some(index) => jobs[index] = fresh,
            None => jobs.push(fresh),
        }
        Ok(())
    }

    /// Forgets the schedules of all jobs but these.
    pub(crate) fn retain(&self, is_planned: impl Fn(&JobId) -> bool) {
        self.lock().retain(|schedules| is_planned(&schedules.job.job_id));
    }

    /// Whether a job has schedules, and they are made by this version of it.
    pub(crate) fn are_of(&self, job: &JobId, version: Option<u32>) -> bool {
        self.lock().iter().any(|schedules| schedules.job.job_id == *job && schedules.version == version)
    }

    /// Notes a job's last pause.
    pub(crate) fn pause(&self, job: &JobId, pause: Option<Pause>) {
        if let Some(schedules) = self.lock().iter_mut().find(|schedules| schedules.job.job_id == *job) {
            schedules.pause = pause;
        }
    }

    /// Adds or corrects one stated group of a job.
    pub(crate) fn learn(&self, job: &JobId, summary: GroupSummary) -> Result<(), UnresolvedGroup> {
        let mut jobs = self.lock();
        let Some(schedules) = jobs.iter_mut().find(|schedules| schedules.job.job_id == *job) else {
            return Ok(());
        };
        let group = summary.group.resolve(&schedules.job.defaults())?;
        schedules.learn(group, summary, None);
        Ok(())
    }

    /// Applies a change of the feed to every job of its feature. Answers the groups that a job cannot schedule.
    pub(crate) fn apply(&self, change: &Change) -> Vec<(JobId, UnresolvedGroup)> {
        let mut unresolved = Vec::new();
        let concerned = |schedules: &&mut JobSchedules| {
            schedules.job.feature_type == change.feature_type && is_later_cursor(&change.id, &schedules.applied)
        };
        for schedules in self.lock().iter_mut().filter(concerned) {
            unresolved.extend(schedules.apply(change).err().map(|error| (schedules.job.job_id.clone(), error)));
        }
        unresolved
    }

    /// When the next group of any job is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.lock().iter().filter_map(|schedules| schedules.due.first().map(|(at, _)| *at)).min()
    }

    /// What has come due for a job up to `now`; nothing is changed.
    pub(crate) fn due(&self, job: &JobId, now: Timestamp) -> Vec<Due> {
        let jobs = self.lock();
        let Some(schedules) = jobs.iter().find(|schedules| schedules.job.job_id == *job) else {
            return Vec::new();
        };
        let due = schedules.due.iter().take_while(|(at, _)| *at <= now);
        let mut all: Vec<Due> = due.flat_map(|(_, group)| schedules.due_of(group, now, self.horizon)).collect();
        all.sort_by_key(|due| due.occurrence.at);
        all
    }

    /// Notes that everything of the job up to `now` is planned and in the ledger.
    pub(crate) fn advance(&self, job: &JobId, now: Timestamp) {
        if let Some(schedules) = self.lock().iter_mut().find(|schedules| schedules.job.job_id == *job) {
            schedules.advance(now);
        }
    }

    /// The stated groups that make up a preference group of a job.
    pub(crate) fn stated(&self, job: &JobId, group: &PreferenceGroup) -> Vec<StatedGroup> {
        let jobs = self.lock();
        let scheduled = jobs.iter().find(|schedules| schedules.job.job_id == *job).and_then(|schedules| schedules.groups.get(group));
        scheduled.map(|scheduled| scheduled.stated.keys().cloned().collect()).unwrap_or_default()
    }

    /// How many users a preference group of a job has, as far as is known.
    pub(crate) fn members(&self, job: &JobId, group: &PreferenceGroup) -> u64 {
        let jobs = self.lock();
        let scheduled = jobs.iter().find(|schedules| schedules.job.job_id == *job).and_then(|schedules| schedules.groups.get(group));
        scheduled.map_or(0, Scheduled::members)
    }

    /// Every group with its size and next occurrence.
    pub(crate) fn view(&self) -> Vec<ScheduleView> {
        let jobs = self.lock();
        let view = |schedules: &JobSchedules, group: &PreferenceGroup, scheduled: &Scheduled| ScheduleView {
            job_id: schedules.job.job_id.clone(),
            feature_type: schedules.job.feature_type.clone(),
            group: group.clone(),
            members: scheduled.members(),
            next: scheduled.next,
        };
        let mut views: Vec<_> = jobs
            .iter()
            .flat_map(|schedules| schedules.groups.iter().map(move |(group, scheduled)| view(schedules, group, scheduled)))
            .collect();
        views.sort_by(|a, b| (&a.job_id, &a.group).cmp(&(&b.job_id, &b.group)));
        views
    }
}

impl JobSchedules {
    /// A group is planned from the instant at which it came to be, even if the mark is already later, unless it was
    /// known when the mark was set (F1).
    fn first_planned_from(&self, since: Timestamp) -> Timestamp {
        if since <= self.mark.known_until { self.mark.planned_until.max(since) } else { since }
    }

    fn learn(&mut self, group: PreferenceGroup, summary: GroupSummary, planned_until: Option<Timestamp>) {
        let from = planned_until.unwrap_or_else(|| self.first_planned_from(summary.since));
        let members = Members { count: summary.count, empty_since: summary.empty_since };
        match self.groups.get_mut(&group) {
            Some(scheduled) => {
                scheduled.stated.insert(summary.group, members);
                if from < scheduled.planned_until {
                    self.replan(&group, from);
                }
            }
            None => {
                let schedule = Schedule::of(&group);
                let next = schedule.next_after(from);
                self.due.extend(next.map(|next| (next.at, group.clone())));
                let stated = BTreeMap::from([(summary.group, members)]);
                self.groups.insert(group, Scheduled { schedule, stated, planned_until: from, next });
            }
        }
    }

    /// Plans a group anew from an earlier instant: runs that were opened since are found by their unique key.
    fn replan(&mut self, group: &PreferenceGroup, from: Timestamp) {
        let Some(scheduled) = self.groups.get_mut(group) else { return };
        if let Some(next) = scheduled.next {
            self.due.remove(&(next.at, group.clone()));
        }
        scheduled.planned_until = from;
        scheduled.next = scheduled.schedule.next_after(from);
        self.due.extend(scheduled.next.map(|next| (next.at, group.clone())));
    }

    fn apply(&mut self, change: &Change) -> Result<(), UnresolvedGroup> {
        self.applied.clone_from(&change.id);
        if let Some(left) = &change.left
            && let Ok(group) = left.resolve(&self.job.defaults())
            && let Some(members) = self.groups.get_mut(&group).and_then(|scheduled| scheduled.stated.get_mut(left))
        {
            members.count = members.count.saturating_sub(1);
            members.empty_since = (members.count == 0).then_some(change.at);
        }
        let Some(joined) = &change.joined else { return Ok(()) };
        let group = joined.resolve(&self.job.defaults())?;
        match self.groups.get_mut(&group).and_then(|scheduled| scheduled.stated.get_mut(joined)) {
            Some(members) => *members = Members { count: members.count + 1, empty_since: None },
            None => self.learn(group, GroupSummary { group: joined.clone(), count: 1, since: change.at, empty_since: None }, None),
        }
        Ok(())
    }

    fn due_of(&self, group: &PreferenceGroup, now: Timestamp, horizon: Option<NominalDates>) -> Vec<Due> {
        let scheduled = &self.groups[group];
        let until = scheduled.empty_since().map_or(now, |empty| empty.min(now));
        let in_horizon =
            |occurrence: &Occurrence| horizon.is_none_or(|dates| (dates.first..=dates.last).contains(&occurrence.nominal.date()));
        let due: Vec<Occurrence> =
            scheduled.schedule.after(scheduled.planned_until).take_while(|occurrence| occurrence.at <= until).filter(in_horizon).collect();
        let verdicts = judge(&self.job, self.pause, group, &due, now);
        let stated: Vec<_> = scheduled.stated.keys().cloned().collect();
        due.into_iter()
            .zip(verdicts)
            .map(|(occurrence, verdict)| Due { group: group.clone(), stated: stated.clone(), occurrence, verdict })
            .collect()
    }

    fn advance(&mut self, now: Timestamp) {
        self.mark.planned_until = self.mark.planned_until.max(now);
        while let Some((at, group)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, group));
                return;
            }
            let scheduled = self.groups.get_mut(&group).expect("what is due is a group");
            if scheduled.empty_since().is_some_and(|empty| empty <= now) {
                self.groups.remove(&group);
                continue;
            }
            scheduled.planned_until = now;
            scheduled.next = scheduled.schedule.next_after(now);
            self.due.extend(scheduled.next.map(|next| (next.at, group)));
        }
    }
}

impl Scheduled {
    fn members(&self) -> u64 {
        self.stated.values().map(|members| members.count).sum()
    }

    /// Since when it has had no user; `None` while it has.
    fn empty_since(&self) -> Option<Timestamp> {
        self.stated.values().map(|members| members.empty_since).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}
