//! The schedules of all jobs in memory: which preference groups there are, and when each is due
//! next.
//!
//! Defaults turn the stated groups of a feature into preference groups, one timer each (T12); so do
//! the zones of tenants that a job enrols, who state nothing (T13); a static job has one group of
//! its own. Counts are kept from the change feed, so that a change costs what changed and not what
//! exists. Nothing here does I/O: the scheduler asks what is due, records it in the ledger, and
//! only then moves the schedules on.

use std::sync::{Mutex, MutexGuard};

use cohort_preferences::{
    Change, FeatureType, GroupList, GroupSummary, JobId, NamedRun, Occurrence, OwnZone,
    PreferenceGroup, StatedGroup, TenantTimezone, TimeKey, UnresolvedGroup, is_later_cursor,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::defaults::DefaultsInTime;
use super::of_group::{GroupSources, Scheduled};
use super::of_job::{Due, JobSchedules, Named, NominalDates};
use crate::jobs::JobInForce;
use cohort_ledger::{Pause, Watermark};

/// All schedules, shared by the scheduler, the watch and the processor.
#[derive(Debug)]
pub(crate) struct Schedules {
    jobs: Mutex<Vec<JobSchedules>>,
    horizon: Option<NominalDates>,
}

/// Why it is not known what makes up a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroupSourcesUnknown {
    /// The defaults are others, and the groups are still to be read anew (T12).
    #[error("the defaults have changed, and the groups are not read anew yet")]
    DefaultsChanged {
        /// When that was heard of.
        heard_at: Timestamp,
    },
    /// The list of groups is suddenly empty, and not believed (M8).
    #[error("the list of groups is suddenly empty")]
    SuddenlyEmpty,
}

/// A group and when it fires next, for those who look.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleView {
    /// Which job.
    pub job_id: JobId,
    /// Of which feature.
    pub feature_type: FeatureType,
    /// Which group.
    #[serde(flatten)]
    pub group: PreferenceGroup,
    /// How many users it has by their preferences; those who are enrolled or filtered are counted
    /// by each run only.
    pub members: u64,
    /// When it fires next; `None` at the end of the calendar.
    pub next: Option<Occurrence>,
}

/// The place of a schedule in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleKey {
    /// Which job.
    pub job_id: JobId,
    /// Which of its groups.
    pub group: PreferenceGroup,
}

/// What is planned for a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlook {
    /// Its groups.
    pub groups: usize,
    /// Their users.
    pub members: u64,
    /// The first of its groups to fire; `None` if none ever does. While the job is paused, it is
    /// recorded and not run.
    pub next_run: Option<NamedRun>,
}

impl Schedules {
    pub(crate) fn new(horizon: Option<NominalDates>) -> Self {
        Self { jobs: Mutex::new(Vec::new()), horizon }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JobSchedules>> {
        self.jobs.lock().expect("the schedules are changed by code that does not panic")
    }

    /// Replaces what is known of the job's groups by this list, and by the zones of tenants that it
    /// enrols; groups that stay keep how far they are planned.
    ///
    /// # Errors
    /// A stated group that no default completes (T12); nothing has changed then.
    pub(crate) fn replace(
        &self,
        job: &JobInForce,
        watermark: Watermark,
        defaults: DefaultsInTime,
        list: GroupList,
        zones: &[TenantTimezone],
    ) -> Result<(), UnresolvedGroup> {
        let mut fresh = JobSchedules::new(job, watermark, list.position, defaults);
        let mut jobs = self.lock();
        let earlier = jobs.iter().position(|schedules| schedules.job.job_id == job.job.job_id);
        let begins_anew = fresh.begins_anew(earlier.map(|index| &jobs[index]));
        // A part that is new to a group has not been planned with it.
        let in_force = |group: &PreferenceGroup| {
            let scheduled = jobs[earlier?]
                .groups
                .get(group)
                .filter(|scheduled| scheduled.gone_since().is_none());
            scheduled.filter(|_| !begins_anew)
        };
        let known = |group: &PreferenceGroup, part: &StatedGroup| {
            in_force(group)
                .filter(|scheduled| scheduled.part(part).is_some())
                .map(|scheduled| scheduled.planned_until)
        };
        for summary in list.groups {
            for (group, interval) in fresh.defaults.intervals(&summary.group)? {
                fresh.learn(&group, &summary, interval, known(&group, &summary.group));
            }
        }
        for zone in zones {
            let is_new = earlier.is_some_and(|index| !jobs[index].zones.contains(&zone.timezone));
            for (group, interval) in fresh.defaults.intervals(&nothing_stated(&zone.timezone))? {
                let since = zone.since.max(interval.from);
                let from = if is_new {
                    fresh.replanned_from(since)
                } else {
                    in_force(&group).map_or(fresh.first_planned_from(since), |scheduled| {
                        scheduled.planned_until
                    })
                };
                fresh.enrol(&group, &zone.timezone, interval, from);
            }
        }
        match earlier {
            Some(index) => jobs[index] = fresh,
            None => jobs.push(fresh),
        }
        Ok(())
    }

    /// Makes or keeps the one schedule of a static job.
    pub(crate) fn replace_static(
        &self,
        job: &JobInForce,
        watermark: Watermark,
        group: &PreferenceGroup,
    ) {
        let mut fresh =
            JobSchedules::new(job, watermark, String::new(), DefaultsInTime::of_job(&job.job));
        let mut jobs = self.lock();
        let earlier = jobs.iter().position(|schedules| schedules.job.job_id == job.job.job_id);
        let begins_anew = fresh.begins_anew(earlier.map(|index| &jobs[index]));
        let known = earlier
            .filter(|_| !begins_anew)
            .and_then(|index| jobs[index].groups.get(group))
            .map(|scheduled| scheduled.planned_until);
        let planned_until = watermark.replan_from.unwrap_or(watermark.planned_until);
        fresh.schedule(group, known.unwrap_or(planned_until.max(job.applied_at())));
        match earlier {
            Some(index) => jobs[index] = fresh,
            None => jobs.push(fresh),
        }
    }

    /// Forgets the schedules of all jobs but these.
    pub(crate) fn retain(&self, is_planned: impl Fn(&JobId) -> bool) {
        self.lock().retain(|schedules| is_planned(&schedules.job.job_id));
    }

    /// Whether a job has schedules, and they are made by this version of it.
    pub(crate) fn are_of(&self, job: &JobId, version: Option<u32>) -> bool {
        self.lock()
            .iter()
            .any(|schedules| schedules.job.job_id == *job && schedules.version == version)
    }

    /// Notes a job's last pause.
    pub(crate) fn pause(&self, job: &JobId, pause: Option<Pause>) {
        if let Some(schedules) =
            self.lock().iter_mut().find(|schedules| schedules.job.job_id == *job)
        {
            schedules.pause = pause;
        }
    }

    /// Adds or corrects one stated group of a job.
    pub(crate) fn learn(&self, job: &JobId, summary: &GroupSummary) -> Result<(), UnresolvedGroup> {
        let mut jobs = self.lock();
        let Some(schedules) = jobs.iter_mut().find(|schedules| schedules.job.job_id == *job) else {
            return Ok(());
        };
        for (group, interval) in schedules.defaults.intervals(&summary.group)? {
            schedules.learn(&group, summary, interval, None);
        }
        Ok(())
    }

    /// Applies a change of the feed, heard of `now`, to every job that follows its feature. Answers
    /// the groups that a job cannot schedule.
    pub(crate) fn apply(&self, change: &Change, now: Timestamp) -> Vec<(JobId, UnresolvedGroup)> {
        let mut unresolved = Vec::new();
        let concerned = |schedules: &&mut JobSchedules| {
            schedules.job.preference_based
                && schedules.job.feature_type == change.feature_type
                && is_later_cursor(&change.id, &schedules.applied)
        };
        for schedules in self.lock().iter_mut().filter(concerned) {
            unresolved.extend(
                schedules
                    .apply(change, now)
                    .err()
                    .map(|error| (schedules.job.job_id.clone(), error)),
            );
        }
        unresolved
    }

    /// The jobs whose groups are to be read anew, because their defaults have changed (T12).
    pub(crate) fn outdated(&self) -> Vec<JobId> {
        self.lock()
            .iter()
            .filter(|schedules| schedules.outdated_since.is_some())
            .map(|schedules| schedules.job.job_id.clone())
            .collect()
    }

    /// Whether anybody is known whom a job serves, by their preferences or by their zones.
    pub(crate) fn know_anybody(&self, job: &JobId) -> bool {
        let jobs = self.lock();
        let schedules = jobs.iter().find(|schedules| schedules.job.job_id == *job);
        schedules.is_some_and(|schedules| {
            !schedules.zones.is_empty()
                || schedules.groups.values().any(|group| group.members() > 0)
        })
    }

    /// Notes that a list of a job's groups is not believed. Returns since when none is (M8).
    pub(crate) fn doubt(&self, job: &JobId, now: Timestamp) -> Timestamp {
        let mut jobs = self.lock();
        let schedules = jobs.iter_mut().find(|schedules| schedules.job.job_id == *job);
        schedules.map_or(now, |schedules| *schedules.doubted_since.get_or_insert(now))
    }

    /// A job whose list of groups is not believed (M8); `None` if there is none.
    pub(crate) fn doubted(&self) -> Option<JobId> {
        self.lock()
            .iter()
            .find(|schedules| schedules.doubted_since.is_some())
            .map(|schedules| schedules.job.job_id.clone())
    }

    /// Whether the list of a job's groups is not believed (M8).
    pub(crate) fn is_doubted(&self, job: &JobId) -> bool {
        self.lock()
            .iter()
            .any(|schedules| schedules.job.job_id == *job && schedules.doubted_since.is_some())
    }

    /// Up to when the feed can be trusted to have told of a job's groups: not while their list is
    /// doubted.
    pub(crate) fn vouched_until(&self, job: &JobId) -> Timestamp {
        let jobs = self.lock();
        let doubted = jobs
            .iter()
            .find(|schedules| schedules.job.job_id == *job && schedules.doubted_since.is_some());
        doubted.map_or(Timestamp::MAX, |schedules| schedules.watermark.known_until)
    }

    /// When the next group of any job is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.lock().iter().filter_map(|schedules| schedules.due.first().map(|(at, _)| *at)).min()
    }

    /// From when on a job is planned anew, by another time zone database (T11); `None` if it is
    /// not.
    pub(crate) fn replanned_from(&self, job: &JobId) -> Option<Timestamp> {
        let jobs = self.lock();
        let schedules = jobs
            .iter()
            .find(|schedules| schedules.job.job_id == *job)
            .filter(|schedules| schedules.is_replanning);
        schedules.and_then(|schedules| schedules.watermark.replan_from)
    }

    /// What has come due for a job up to `now` and is not `named` on record already; nothing is
    /// changed.
    pub(crate) fn due(&self, job: &JobId, now: Timestamp, named: &Named) -> Vec<Due> {
        let jobs = self.lock();
        let Some(schedules) = jobs.iter().find(|schedules| schedules.job.job_id == *job) else {
            return Vec::new();
        };
        let due = schedules.due.iter().take_while(|(at, _)| *at <= now);
        let mut all: Vec<Due> =
            due.flat_map(|(_, group)| schedules.due_of(group, now, self.horizon, named)).collect();
        all.sort_by_key(|due| due.occurrence.at);
        all
    }

    /// Notes that everything of the job up to `now` is planned and in the ledger.
    pub(crate) fn advance(&self, job: &JobId, now: Timestamp) {
        if let Some(schedules) =
            self.lock().iter_mut().find(|schedules| schedules.job.job_id == *job)
        {
            schedules.advance(now);
        }
    }

    /// What makes up a preference group of a job at an instant.
    pub(crate) fn sources(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        at: Timestamp,
    ) -> Result<GroupSources, GroupSourcesUnknown> {
        let jobs = self.lock();
        let Some(schedules) = jobs.iter().find(|schedules| schedules.job.job_id == *job) else {
            return Ok(GroupSources::default());
        };
        match schedules.outdated_since {
            _ if schedules.doubted_since.is_some() => Err(GroupSourcesUnknown::SuddenlyEmpty),
            Some(heard_at) => Err(GroupSourcesUnknown::DefaultsChanged { heard_at }),
            None => Ok(schedules
                .groups
                .get(group)
                .map(|scheduled| scheduled.sources(at))
                .unwrap_or_default()),
        }
    }

    /// Whether the defaults of an instant make a stated group part of a preference group; yes, if
    /// they are not known.
    pub(crate) fn is_part(
        &self,
        job: &JobId,
        stated: &StatedGroup,
        group: &PreferenceGroup,
        at: Timestamp,
    ) -> bool {
        let jobs = self.lock();
        let schedules = jobs.iter().find(|schedules| schedules.job.job_id == *job);
        schedules.is_none_or(|schedules| {
            schedules.defaults.resolve_at(stated, at).is_ok_and(|resolved| resolved == *group)
        })
    }

    /// Whether other defaults have moved users into a preference group of a job at this instant or
    /// later (T12).
    pub(crate) fn has_taken_over_since(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        since: Timestamp,
    ) -> bool {
        let jobs = self.lock();
        let scheduled = jobs
            .iter()
            .find(|schedules| schedules.job.job_id == *job)
            .and_then(|schedules| schedules.groups.get(group));
        scheduled
            .is_some_and(|scheduled| scheduled.intervals().any(|interval| interval.from >= since))
    }

    /// The overrides that lie under those of the users of a job (T12).
    pub(crate) fn template_overrides(&self, job: &JobId) -> Map<String, Value> {
        let jobs = self.lock();
        let schedules = jobs.iter().find(|schedules| schedules.job.job_id == *job);
        schedules.map(|schedules| schedules.defaults.template_overrides()).unwrap_or_default()
    }

    /// How many users a preference group of a job has, as far as is known.
    pub(crate) fn members(&self, job: &JobId, group: &PreferenceGroup) -> u64 {
        let jobs = self.lock();
        let scheduled = jobs
            .iter()
            .find(|schedules| schedules.job.job_id == *job)
            .and_then(|schedules| schedules.groups.get(group));
        scheduled.map_or(0, Scheduled::members)
    }

    /// What is planned for a job; `None` if it has no schedules.
    pub(crate) fn outlook(&self, job: &JobId) -> Option<Outlook> {
        let jobs = self.lock();
        let schedules = jobs.iter().find(|schedules| schedules.job.job_id == *job)?;
        let next_run = schedules.due.first().and_then(|(_, group)| {
            let Occurrence { nominal, at } = schedules.groups[group].next?;
            Some(NamedRun { nominal, timezone: group.timezone().name().to_owned(), at })
        });
        let members = schedules.groups.values().map(Scheduled::members).sum();
        Some(Outlook { groups: schedules.groups.len(), members, next_run })
    }

    /// How many groups each job has.
    pub(crate) fn group_counts(&self) -> Vec<(JobId, usize)> {
        self.lock()
            .iter()
            .map(|schedules| (schedules.job.job_id.clone(), schedules.groups.len()))
            .collect()
    }

    /// Every group with its size and next occurrence.
    pub(crate) fn view(&self) -> Vec<ScheduleView> {
        let jobs = self.lock();
        let view = |schedules: &JobSchedules, group: &PreferenceGroup, scheduled: &Scheduled| {
            ScheduleView {
                job_id: schedules.job.job_id.clone(),
                feature_type: schedules.job.feature_type.clone(),
                group: group.clone(),
                members: scheduled.members(),
                next: scheduled.next,
            }
        };
        let mut views: Vec<_> = jobs
            .iter()
            .flat_map(|schedules| {
                schedules
                    .groups
                    .iter()
                    .map(move |(group, scheduled)| view(schedules, group, scheduled))
            })
            .filter(|view| view.members > 0 || view.next.is_some())
            .collect();
        views.sort_by(|a, b| (&a.job_id, &a.group).cmp(&(&b.job_id, &b.group)));
        views
    }
}

/// The group of a tenant who stated nothing (T12).
fn nothing_stated(zone: &OwnZone) -> StatedGroup {
    StatedGroup::new(None, TimeKey::Unstated, zone.0.clone()).expect("no frequency fits no time")
}
