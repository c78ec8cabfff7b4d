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
mod report;

use std::collections::HashMap;

use cohort_ledger::{DefinitionKind, LedgerError, RunOnRecord};
use cohort_preferences::{Enroll, Job, JobId};
use jiff::{SignedDuration, Timestamp};

use self::due::{Due, Period};
pub use self::judge::Depth;
use self::judge::{Compared, Judgement, is_counted};
pub use self::report::{CompletenessFault, CompletenessReport, JobCompleteness, Unaccounted};
use crate::clock::saturating_add;
use crate::evidence::{Evidence, EvidenceError};
use crate::jobs::JobHistory;
use crate::members::{GroupAt, count_members};
use crate::schedules::DefaultsInTime;
use crate::source::SourceError;

/// What is younger is not judged.
const NOT_YET_JUDGED: SignedDuration = SignedDuration::from_mins(2);

/// The most occurrences of a job whose members are counted; of more, it is taken for granted that
/// somebody was a member.
const MOST_COUNTED: usize = 10_000;

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
        let mut report = CompletenessReport::new(since, until);
        let Evidence { ledger, jobs, .. } = &self.evidence;
        for job_id in self.job_ids().await? {
            if let Some(history) = JobHistory::read(&**ledger, jobs.as_ref(), &job_id).await? {
                self.check_job(&history, depth, &mut report).await?;
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

    async fn check_job(
        &self,
        history: &JobHistory,
        depth: Depth,
        report: &mut CompletenessReport,
    ) -> Result<(), EvidenceError> {
        // A job that no agent has planned yet owes nothing: it begins with its watermark (F1).
        let (Some(job), Some(standing)) = (history.now(), history.standing) else { return Ok(()) };
        // Where no agent works, the next one plans what fell due since the last one did (F1).
        let until = match self.evidence.jobs {
            Some(_) => report.until,
            None => report.until.min(standing.planned_until),
        };
        let from = report.since.max(standing.began).max(history.alike_since());
        let period = Period { from, until };
        let due = self.due(job, history, period).await?;
        let runs = self.evidence.ledger.runs_between(&job.job_id, from, until).await?;
        self.compare(job, &due, runs, depth, report).await
    }

    async fn due(
        &self,
        job: &Job,
        history: &JobHistory,
        period: Period,
    ) -> Result<Vec<Due>, SourceError> {
        if let Some(schedule) = &job.schedule {
            return Ok(due::of_static(schedule.group(), period));
        }
        let source = &self.evidence.source;
        let list = source.groups(&job.feature_type).await?;
        let zones = match job.enroll {
            Enroll::Everyone => source.timezones().await?,
            Enroll::OptedIn => Vec::new(),
        };
        let defaults = DefaultsInTime::of(&history.defaults(), &list.defaults);
        Ok(due::of_preferences(job, &defaults, &list, &zones, period))
    }

    /// Compares what was due with the runs on record, and adds the job to the report.
    async fn compare(
        &self,
        job: &Job,
        due: &[Due],
        runs: Vec<RunOnRecord>,
        depth: Depth,
        report: &mut CompletenessReport,
    ) -> Result<(), EvidenceError> {
        let runs: HashMap<_, _> = runs.iter().map(|run| ((&run.group, run.nominal), run)).collect();
        let mut of_job = JobCompleteness::new(job, depth == Depth::Members);
        let mut counted = 0;
        for due in due {
            let run = runs.get(&(&due.group, due.name())).copied();
            let members = if is_counted(job, due, run, depth) && counted < MOST_COUNTED {
                counted += 1;
                Some(self.members_of(job, due).await?)
            } else {
                None
            };
            let compared = Compared { job, due, run, members };
            let judgement = compared.judge(self.evidence.clock.now());
            of_job.add(&compared, judgement);
            if let Judgement::Fault(fault) = judgement {
                report.name(|| compared.unaccounted(fault));
            }
        }
        report.add(of_job);
        Ok(())
    }

    /// How many members a due occurrence had as of its instant.
    async fn members_of(&self, job: &Job, due: &Due) -> Result<u64, SourceError> {
        let (group, sources) = (&due.group, &due.sources);
        let then = GroupAt { job, group, sources, instant: due.occurrence.at };
        count_members(&*self.evidence.source, then).await
    }
}
