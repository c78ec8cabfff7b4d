//! The schedules of all jobs in memory: which preference groups there are, and when each is due
//! next.
//!
//! Defaults turn the stated groups of a feature into preference groups, one timer each (T12); so do
//! the zones of tenants that a job enrols, who state nothing (T13); a static job has one group of
//! its own. Counts are kept from the change feed, so that a change costs what changed and not what
//! exists. Nothing here does I/O: the scheduler asks what is due, records it in the ledger, and
//! only then moves the schedules on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use cohort_ledger::{Pause, Watermark};
use cohort_preferences::{
    Change, Frequency, GroupSummary, JobId, PreferenceGroup, StatedGroup, TimeKey, UnresolvedGroup,
    is_later_cursor,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::due::{Due, Named, NominalDates};
use super::of_group::{GroupSources, GroupSourcesUnknown, Scheduled};
use super::of_job::JobSchedules;
use super::replace::Listed;
use crate::jobs::JobInForce;

/// What is wrong with a list of groups that is not believed (M8).
pub(crate) const SUDDENLY_EMPTY: &str = "the list of groups is suddenly empty, and no change says \
    why: is it the right Config Database?";

/// All schedules, shared by the scheduler, the change feed and the processor.
#[derive(Debug)]
pub(crate) struct Schedules {
    jobs: Mutex<BTreeMap<JobId, JobSchedules>>,
    horizon: Option<NominalDates>,
}

impl Schedules {
    /// No schedules yet; only occurrences within the horizon will be due.
    pub(crate) fn new(horizon: Option<NominalDates>) -> Self {
        Self { jobs: Mutex::default(), horizon }
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
        listed: Listed<'_>,
    ) -> Result<(), UnresolvedGroup> {
        let mut jobs = self.lock();
        let job_id = &job.job.job_id;
        let fresh = JobSchedules::of_list(job, watermark, listed, jobs.get(job_id))?;
        jobs.insert(job_id.clone(), fresh);
        Ok(())
    }

    /// Makes or keeps the one schedule of a static job.
    pub(crate) fn replace_static(
        &self,
        job: &JobInForce,
        watermark: Watermark,
        group: &PreferenceGroup,
    ) {
        let mut jobs = self.lock();
        let job_id = &job.job.job_id;
        let fresh = JobSchedules::of_static(job, watermark, group, jobs.get(job_id));
        jobs.insert(job_id.clone(), fresh);
    }

    /// Forgets the schedules of all jobs but these.
    pub(crate) fn retain(&self, is_planned: impl Fn(&JobId) -> bool) {
        self.lock().retain(|job, _| is_planned(job));
    }

    /// Whether a job has schedules, and they are made by this version of it.
    pub(crate) fn are_of(&self, job: &JobId, version: Option<u32>) -> bool {
        self.of(job, |schedules| schedules.version == version).unwrap_or(false)
    }

    /// Notes a job's last pause.
    pub(crate) fn pause(&self, job: &JobId, pause: Option<Pause>) {
        self.change(job, |schedules| schedules.pause = pause);
    }

    /// Adds or corrects one stated group of a job.
    pub(crate) fn learn(&self, job: &JobId, summary: &GroupSummary) -> Result<(), UnresolvedGroup> {
        self.change(job, |schedules| schedules.learn_summary(summary)).unwrap_or(Ok(()))
    }

    /// Whether the defaults of a job complete a stated group to one of this frequency and time key.
    pub(crate) fn completes_to(
        &self,
        job: &JobId,
        stated: &StatedGroup,
        frequency: Frequency,
        time_key: TimeKey,
    ) -> bool {
        let resolved = self.of(job, |schedules| schedules.defaults.resolve(stated));
        resolved.is_some_and(|resolved| {
            resolved
                .is_ok_and(|group| group.frequency() == frequency && group.time_key() == time_key)
        })
    }

    /// Applies a change of the feed, heard of `now`, to every job that follows its feature. Returns
    /// the groups that a job cannot schedule.
    pub(crate) fn apply(&self, change: &Change, now: Timestamp) -> Vec<(JobId, UnresolvedGroup)> {
        let mut unresolved = Vec::new();
        for (job, schedules) in &mut *self.lock() {
            let is_new = is_later_cursor(&change.id, &schedules.applied);
            if schedules.follows(&change.feature_type)
                && is_new
                && let Err(error) = schedules.apply(change, now)
            {
                unresolved.push((job.clone(), error));
            }
        }
        unresolved
    }

    /// The jobs whose groups are to be read anew, because their defaults have changed (T12).
    pub(crate) fn outdated(&self) -> Vec<JobId> {
        let is_outdated = |schedules: &JobSchedules| schedules.outdated_since.is_some();
        self.lock()
            .iter()
            .filter(|(_, schedules)| is_outdated(schedules))
            .map(|(job, _)| job.clone())
            .collect()
    }

    /// Whether anybody is known whom a job serves, by their preferences or by their zones.
    pub(crate) fn know_anybody(&self, job: &JobId) -> bool {
        self.of(job, JobSchedules::know_anybody).unwrap_or(false)
    }

    /// Notes that the empty list of a job's groups is not believed. Returns since when none is
    /// (M8).
    pub(crate) fn distrust_empty_list(&self, job: &JobId, now: Timestamp) -> Timestamp {
        let distrust =
            |schedules: &mut JobSchedules| *schedules.distrusted_since.get_or_insert(now);
        self.change(job, distrust).unwrap_or(now)
    }

    /// A job whose list of groups is not believed (M8); `None` if there is none.
    pub(crate) fn distrusted(&self) -> Option<JobId> {
        let jobs = self.lock();
        let distrusted = jobs.iter().find(|(_, schedules)| schedules.distrusted_since.is_some());
        distrusted.map(|(job, _)| job.clone())
    }

    /// Whether the list of a job's groups is not believed (M8).
    pub(crate) fn is_distrusted(&self, job: &JobId) -> bool {
        self.of(job, |schedules| schedules.distrusted_since.is_some()).unwrap_or(false)
    }

    /// Up to when the feed can be trusted to have told of a job's groups: no further than before
    /// while their list is distrusted.
    pub(crate) fn trusted_until(&self, job: &JobId) -> Timestamp {
        self.of(job, JobSchedules::trusted_until).unwrap_or(Timestamp::MAX)
    }

    /// When the next group of any job is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.lock().values().filter_map(JobSchedules::next_due).min()
    }

    /// From when on a job is planned anew, by another time zone database (T11); `None` if it is
    /// not.
    pub(crate) fn replanned_from(&self, job: &JobId) -> Option<Timestamp> {
        self.of(job, JobSchedules::replanned_from)?
    }

    /// What has come due for a job up to `now` and is not `named` on record already; nothing is
    /// changed.
    pub(crate) fn due(&self, job: &JobId, now: Timestamp, named: &Named) -> Vec<Due> {
        self.of(job, |schedules| schedules.due_up_to(now, self.horizon, named)).unwrap_or_default()
    }

    /// Notes that everything of the job up to `now` is planned and in the ledger.
    pub(crate) fn advance(&self, job: &JobId, now: Timestamp) {
        self.change(job, |schedules| schedules.advance(now));
    }

    /// What makes up a preference group of a job at an instant; nothing if the job or the group is
    /// not known.
    pub(crate) fn sources(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        at: Timestamp,
    ) -> Result<GroupSources, GroupSourcesUnknown> {
        let sources = self.of(job, |schedules| schedules.sources(group, at));
        sources.unwrap_or_else(|| Ok(GroupSources::default()))
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
        let resolved = self.of(job, |schedules| schedules.defaults.resolve_at(stated, at));
        resolved.is_none_or(|resolved| resolved.is_ok_and(|resolved| resolved == *group))
    }

    /// Whether other defaults have moved users into a preference group of a job at this instant or
    /// later (T12).
    pub(crate) fn has_taken_over_since(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        since: Timestamp,
    ) -> bool {
        let has_taken_over =
            |group: &Scheduled| group.intervals().any(|interval| interval.from >= since);
        self.of_group(job, group, has_taken_over).unwrap_or(false)
    }

    /// The overrides that lie under those of the users of a job (T12).
    pub(crate) fn template_overrides(&self, job: &JobId) -> Map<String, Value> {
        self.of(job, |schedules| schedules.defaults.template_overrides()).unwrap_or_default()
    }

    /// How many users a preference group of a job has, as far as is known.
    pub(crate) fn members(&self, job: &JobId, group: &PreferenceGroup) -> u64 {
        self.of_group(job, group, Scheduled::members).unwrap_or(0)
    }

    /// Asks the schedules of a job; `None` if it has none.
    pub(super) fn of<T>(&self, job: &JobId, ask: impl FnOnce(&JobSchedules) -> T) -> Option<T> {
        self.lock().get(job).map(ask)
    }

    /// Asks a preference group of a job; `None` if it is not known.
    fn of_group<T>(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        ask: impl FnOnce(&Scheduled) -> T,
    ) -> Option<T> {
        self.of(job, |schedules| schedules.groups.get(group).map(ask))?
    }

    /// Changes the schedules of a job; `None` if it has none.
    fn change<T>(&self, job: &JobId, change: impl FnOnce(&mut JobSchedules) -> T) -> Option<T> {
        self.lock().get_mut(job).map(change)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, JobSchedules>> {
        self.jobs.lock().expect("the schedules are changed by code that does not panic")
    }
}
