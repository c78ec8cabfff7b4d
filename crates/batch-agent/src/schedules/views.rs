//! What the schedules show to those who look.

use std::collections::HashMap;

use cohort_preferences::{FeatureType, JobId, NamedRun, Occurrence, PreferenceGroup};
use serde::Serialize;

use super::all::Schedules;
use super::of_group::Scheduled;
use super::of_job::JobSchedules;

/// A group and when it fires next.
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

/// What the list of all schedules is sorted by.
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
    /// What is planned for a job; `None` if it has no schedules.
    pub(crate) fn outlook(&self, job: &JobId) -> Option<Outlook> {
        self.of(job, JobSchedules::outlook)
    }

    /// How many members each group of a job has.
    pub(crate) fn sizes(&self, job: &JobId) -> HashMap<PreferenceGroup, u64> {
        let sizes = |schedules: &JobSchedules| {
            let groups = schedules.groups.iter();
            groups.map(|(group, scheduled)| (group.clone(), scheduled.members())).collect()
        };
        self.of(job, sizes).unwrap_or_default()
    }

    /// How many groups each job has.
    pub(crate) fn group_counts(&self) -> Vec<(JobId, usize)> {
        let jobs = self.lock();
        jobs.iter().map(|(job, schedules)| (job.clone(), schedules.groups.len())).collect()
    }

    /// Every group with its size and next occurrence, by job and group.
    pub(crate) fn view(&self) -> Vec<ScheduleView> {
        let jobs = self.lock();
        let mut views: Vec<_> = jobs
            .values()
            .flat_map(JobSchedules::views)
            .filter(|view| view.members > 0 || view.next.is_some())
            .collect();
        views.sort_by(|a, b| (&a.job_id, &a.group).cmp(&(&b.job_id, &b.group)));
        views
    }
}

impl JobSchedules {
    fn outlook(&self) -> Outlook {
        let next_run = self.due.first().and_then(|(_, group)| {
            let Occurrence { nominal, at } = self.groups[group].next?;
            Some(NamedRun { nominal, timezone: group.timezone().name().to_owned(), at })
        });
        let members = self.groups.values().map(Scheduled::members).sum();
        Outlook { groups: self.groups.len(), members, next_run }
    }

    fn views(&self) -> impl Iterator<Item = ScheduleView> {
        self.groups.iter().map(|(group, scheduled)| ScheduleView {
            job_id: self.job.job_id.clone(),
            feature_type: self.job.feature_type.clone(),
            group: group.clone(),
            members: scheduled.members(),
            next: scheduled.next,
        })
    }
}
