//! The check of one job: what was due, compared with what is on record.

use std::collections::HashMap;

use cohort_ledger::{JobStanding, RunOnRecord};
use cohort_preferences::{Enroll, Job};

use super::due::{Due, Period, of_preferences, of_static};
use super::judge::{Compared, Depth, Judgement, is_counted};
use super::report::{CompletenessReport, JobCompleteness};
use crate::evidence::{Evidence, EvidenceError};
use crate::jobs::JobHistory;
use crate::members::{GroupAt, count_members};
use crate::schedules::DefaultsInTime;
use crate::source::SourceError;

/// The most occurrences of a job whose members are counted; of more, it is taken for granted that
/// somebody was a member.
const MOST_COUNTED: usize = 10_000;

/// The check of one job.
pub(super) struct JobCheck<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) job: &'a Job,
    pub(super) history: &'a JobHistory,
    pub(super) depth: Depth,
}

impl JobCheck<'_> {
    /// Checks the job, and adds it to a report.
    pub(super) async fn add_to(
        &self,
        report: &mut CompletenessReport,
        standing: JobStanding,
    ) -> Result<(), EvidenceError> {
        // Where no agent works, the next one plans what fell due since the last one did (F1).
        let until = match self.evidence.jobs {
            Some(_) => report.until,
            None => report.until.min(standing.planned_until),
        };
        let from = report.since.max(standing.began).max(self.history.alike_since());
        let due = self.due(Period { from, until }).await?;
        let runs = self.evidence.ledger.runs_between(&self.job.job_id, from, until).await?;
        self.compare(&due, &runs, report).await
    }

    async fn due(&self, period: Period) -> Result<Vec<Due>, SourceError> {
        let Self { evidence, job, history, .. } = self;
        if let Some(schedule) = &job.schedule {
            return Ok(of_static(schedule.group(), period));
        }
        let list = evidence.source.groups(&job.feature_type).await?;
        let zones = match job.enroll {
            Enroll::Everyone => evidence.source.timezones().await?,
            Enroll::OptedIn => Vec::new(),
        };
        let defaults = DefaultsInTime::of(&history.defaults(), &list.defaults);
        Ok(of_preferences(job, &defaults, &list, &zones, period))
    }

    async fn compare(
        &self,
        due: &[Due],
        runs: &[RunOnRecord],
        report: &mut CompletenessReport,
    ) -> Result<(), EvidenceError> {
        let Self { job, depth, .. } = *self;
        let runs: HashMap<_, _> = runs.iter().map(|run| ((&run.group, run.nominal), run)).collect();
        let mut of_job = JobCompleteness::new(job, depth == Depth::Members);
        let mut counted = 0;
        for due in due {
            let run = runs.get(&(&due.group, due.name())).copied();
            let members = if is_counted(job, due, run, depth) && counted < MOST_COUNTED {
                counted += 1;
                Some(self.members_of(due).await?)
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
    async fn members_of(&self, due: &Due) -> Result<u64, SourceError> {
        let (group, sources) = (&due.group, &due.sources);
        let then = GroupAt { job: self.job, group, sources, instant: due.occurrence.at };
        count_members(&*self.evidence.source, then).await
    }
}
