//! Every due occurrence is accounted for (A1), and this checks it.
//!
//! ```text
//! calendar: groups as the Config Database lists them, ─► what was due
//!           by the job's versions and defaults
//! ledger:   runs by instant                           ─► what is on record
//!
//! due, not on record, and somebody was a member then  ─► unaccounted
//! open beyond its deadline or its catch-up window     ─► unaccounted
//! ```
//!
//! The check uses no state of the scheduler's: what the scheduler has wrong in memory would be
//! wrong here too. It compares groups and not users; it asks for members only where a run is
//! missing, or where [`Depth::Members`] wants each run's members counted against its record. What
//! is younger than two minutes is not judged, since it may be about to be planned. Where no agent
//! works, what fell due since the last one planned is not judged either.
//!
//! If the Config Database or the ledger fails, there is no report, and the last one stands.

mod due;
mod judge;
mod of_job;
mod report;

use cohort_ledger::{DefinitionKind, LedgerError};
use cohort_preferences::JobId;
use jiff::{SignedDuration, Timestamp};

pub use self::judge::Depth;
use self::of_job::JobCheck;
pub use self::report::{CompletenessFault, CompletenessReport, JobCompleteness, Unaccounted};
use crate::clock::saturating_add;
use crate::evidence::{Evidence, EvidenceError};
use crate::jobs::JobHistory;

/// What is younger is not judged.
const NOT_YET_JUDGED: SignedDuration = SignedDuration::from_mins(2);

/// Compares the calendar with the record; cheap to clone.
#[derive(Clone)]
pub struct CompletenessCheck {
    evidence: Evidence,
}

impl CompletenessCheck {
    /// Checks what the evidence says. With the jobs of an agent, the ones that it brings along are
    /// checked too.
    pub fn new(evidence: Evidence) -> Self {
        Self { evidence }
    }

    /// Reports everything that was due since an instant, and what of it is on record.
    pub async fn report_since(
        &self,
        since: Timestamp,
        depth: Depth,
    ) -> Result<CompletenessReport, EvidenceError> {
        let until = saturating_add(self.evidence.clock.now(), -NOT_YET_JUDGED);
        self.report_between(since, until, depth).await
    }

    /// The same of what was due up to an instant.
    pub(crate) async fn report_between(
        &self,
        since: Timestamp,
        until: Timestamp,
        depth: Depth,
    ) -> Result<CompletenessReport, EvidenceError> {
        let mut report = CompletenessReport::new(since, until);
        let Evidence { ledger, jobs, .. } = &self.evidence;
        for job_id in self.job_ids().await? {
            let history = JobHistory::read(&**ledger, jobs.as_ref(), &job_id).await?;
            // A job that was removed, or that no agent has planned yet, owes nothing: a job begins
            // with its watermark (F1).
            let Some(history) = &history else { continue };
            if let (Some(job), Some(standing)) = (history.now(), history.standing) {
                let check = JobCheck { evidence: &self.evidence, job, history, depth };
                check.add_to(&mut report, standing).await?;
            }
        }
        Ok(report)
    }

    /// The jobs in force, by name: those stored, and those that the agent brings along.
    async fn job_ids(&self) -> Result<Vec<JobId>, LedgerError> {
        let stored = self.evidence.ledger.definitions().await?;
        let of_ledger = stored.latest.iter().filter(|definition| {
            definition.kind == DefinitionKind::Job && definition.document.is_some()
        });
        let mut ids: Vec<JobId> =
            of_ledger.filter_map(|definition| definition.name.parse().ok()).collect();
        if let Some(jobs) = &self.evidence.jobs {
            ids.extend(jobs.in_force().planned().map(|job| job.job.job_id.clone()));
        }
        ids.sort();
        ids.dedup();
        Ok(ids)
    }
}
