//! A job over time: its versions, and how far it is planned. Whoever looks back needs the job as it
//! was then.

use std::sync::Arc;

use cohort_ledger::{Definition, DefinitionKind, JobStanding, Ledger, LedgerError};
use cohort_preferences::{Job, JobId, Preference};
use jiff::Timestamp;

use super::Jobs;
use super::set::read_job;

/// What is known of a job.
#[derive(Debug)]
pub(crate) struct JobHistory {
    /// Oldest first; never empty.
    pub(crate) versions: Vec<JobVersion>,
    /// `None` if no agent has ever planned it.
    pub(crate) standing: Option<JobStanding>,
}

/// A version of a job.
#[derive(Debug, Clone)]
pub(crate) struct JobVersion {
    /// `None` for a job that the program itself brings along.
    pub(crate) version: Option<u32>,
    pub(crate) applied_at: Timestamp,
    pub(crate) applied_by: String,
    /// `None` if the job was removed with this version.
    pub(crate) job: Option<Arc<Job>>,
}

impl JobHistory {
    /// Reads what the ledger keeps of a job, or what the agent's program brings along; `None` if
    /// there is no such job.
    pub(crate) async fn read(
        ledger: &dyn Ledger,
        own: Option<&Jobs>,
        job_id: &JobId,
    ) -> Result<Option<Self>, LedgerError> {
        let stored = ledger.definition_versions(DefinitionKind::Job, job_id.as_str()).await?;
        let mut versions: Vec<JobVersion> = stored.into_iter().map(version).collect();
        if versions.is_empty() {
            versions.extend(own_job(own, job_id));
        }
        if versions.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { versions, standing: ledger.job_standing(job_id).await? }))
    }

    /// The version in force at an instant; `None` before the first.
    pub(crate) fn version_at(&self, at: Timestamp) -> Option<&JobVersion> {
        self.versions.iter().rfind(|version| version.applied_at <= at)
    }

    /// The job as it is now; `None` if it was removed.
    pub(crate) fn now(&self) -> Option<&Arc<Job>> {
        self.versions.last().and_then(|version| version.job.as_ref())
    }

    /// Since when nothing has changed in it that says when it runs and for whom.
    pub(crate) fn alike_since(&self) -> Timestamp {
        let Some(now) = self.now() else { return Timestamp::MAX };
        let is_alike =
            |version: &&JobVersion| version.job.as_ref().is_some_and(|job| serves_alike(job, now));
        let alike = self.versions.iter().rev().take_while(is_alike);
        alike.last().map_or(Timestamp::MAX, |version| version.applied_at)
    }

    /// The job as it was at an instant; its first version for an instant before that.
    pub(crate) fn job_about(&self, instant: Timestamp) -> Option<&Arc<Job>> {
        let then = self
            .versions
            .iter()
            .rev()
            .filter(|version| version.applied_at <= instant)
            .find_map(|version| version.job.as_ref());
        then.or_else(|| self.versions.iter().find_map(|version| version.job.as_ref()))
    }

    /// Its default preferences over time, oldest first (T12).
    pub(crate) fn defaults(&self) -> Vec<(Timestamp, Preference)> {
        let of_version = |version: &JobVersion| {
            Some((version.applied_at, version.job.as_ref()?.default_preferences.clone()))
        };
        self.versions.iter().filter_map(of_version).collect()
    }
}

/// Whether two versions run at the same times for the same users, apart from their defaults, which
/// are known over time.
fn serves_alike(one: &Job, other: &Job) -> bool {
    (one.preference_based, &one.feature_type, &one.schedule, &one.filters, one.enroll)
        == (
            other.preference_based,
            &other.feature_type,
            &other.schedule,
            &other.filters,
            other.enroll,
        )
}

/// A job that the agent's program brings along: it has always been what it is.
fn own_job(own: Option<&Jobs>, job_id: &JobId) -> Option<JobVersion> {
    let jobs = own?.in_force();
    let job = Arc::clone(&jobs.find_planned(job_id)?.job);
    Some(JobVersion {
        version: None,
        applied_at: Timestamp::MIN,
        applied_by: "the program".into(),
        job: Some(job),
    })
}

/// A stored version. One that cannot be read, perhaps because a newer program has stored it, counts
/// as a removal: nobody here can plan it.
fn version(stored: Definition) -> JobVersion {
    let Definition { version, document, applied_at, applied_by, name, .. } = stored;
    let job = document.as_ref().map(read_job).transpose();
    let job = job
        .inspect_err(|error| {
            tracing::warn!(job_id = name, version, %error,
        "a version of a job cannot be read");
        })
        .ok()
        .flatten();
    JobVersion { version: Some(version), applied_at, applied_by, job: job.map(Arc::new) }
}
