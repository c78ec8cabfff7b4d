//! Users who failed are tried again (D6).

use cohort_ledger::{
    DeadLetter, DeadLetterQuery, FailedReason, LedgerError, OutcomeQuery, Requeue, RunId,
};
use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::registry::{JobRegistry, RegistryError};

/// How many users are requeued in one transaction.
const REQUEUED_AT_ONCE: usize = 1_000;

/// How many users an error names of those who cannot be requeued.
const MOST_NAMED: usize = 10;

/// Who is to be tried again.
#[derive(Debug, Clone)]
pub struct Retry {
    /// In which runs.
    pub runs: RetriedRuns,
    /// These users, each of whom must have failed there; all who have if empty.
    pub tenants: Vec<TenantId>,
    /// Only those with this reason.
    pub reason: Option<FailedReason>,
    /// Only those whose last error has this in it.
    pub error: Option<String>,
    /// Whether handlers see other keys than before (D1).
    pub new_key: bool,
}

/// The runs in which users are tried again.
#[derive(Debug, Clone)]
pub enum RetriedRuns {
    /// This one.
    One(RunId),
    /// Those of a job.
    OfJob {
        /// Which.
        job: JobId,
        /// Only of occurrences at this instant or later.
        since: Option<Timestamp>,
    },
}

/// How many users were requeued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// Users, each counted once per run.
    pub requeued: u64,
}

impl JobRegistry {
    /// Requeues users who failed. A user who fails again after this began is not requeued once
    /// more.
    ///
    /// # Errors
    /// [`RegistryError::NotFailed`] if one of the users named has not failed; then nobody is
    /// requeued. [`RegistryError::NobodyFailed`] if nobody at all has.
    pub async fn retry(&self, retry: &Retry) -> Result<Retried, RegistryError> {
        self.refuse_operations()?;
        self.refuse_unless_served(&retry.runs).await?;
        let now = self.clock.now();
        let mut query = retry.query(now);
        self.refuse_unless_failed(retry, &query).await?;
        let key_nonce = retry.new_key.then(|| Uuid::new_v4().simple().to_string());
        let mut requeued = 0;
        loop {
            let letters = self.ledger.dead_letters(query.clone(), REQUEUED_AT_ONCE).await?;
            let places: Vec<_> =
                letters.iter().map(|letter| (letter.run, letter.ordinal)).collect();
            let Some(last) = places.last().copied() else { break };
            let requeue = Requeue { places, key_nonce: key_nonce.clone(), at: now };
            requeued += self.ledger.requeue(requeue).await?;
            query.after = Some(last);
        }
        if requeued == 0 {
            return Err(RegistryError::NobodyFailed);
        }
        self.tell_agent().await?;
        Ok(Retried { requeued })
    }

    /// Refuses runs of a job that was removed: their users would wait forever.
    async fn refuse_unless_served(&self, runs: &RetriedRuns) -> Result<(), RegistryError> {
        let job = match runs {
            RetriedRuns::One(run) => {
                self.ledger.run(*run).await?.ok_or(LedgerError::NoSuchRun(*run))?.job_id
            }
            RetriedRuns::OfJob { job, .. } => job.clone(),
        };
        let in_force = self.agent.as_ref().map(|agent| agent.jobs().in_force());
        if in_force.is_some_and(|jobs| jobs.find_planned(&job).is_some()) {
            return Ok(());
        }
        self.find_job(&job).await.map(drop)
    }

    /// Refuses names of users who have not failed: one left out silently could be taken for done.
    async fn refuse_unless_failed(
        &self,
        retry: &Retry,
        query: &DeadLetterQuery,
    ) -> Result<(), RegistryError> {
        let mut left: Vec<&TenantId> = retry.tenants.iter().collect();
        let mut query = query.clone();
        while !left.is_empty() {
            let letters = self.ledger.dead_letters(query.clone(), REQUEUED_AT_ONCE).await?;
            let Some(DeadLetter { run, ordinal, .. }) = letters.last() else { break };
            query.after = Some((*run, *ordinal));
            left.retain(|tenant| letters.iter().all(|letter| letter.tenant_id != **tenant));
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(RegistryError::NotFailed(self.named(&retry.runs, &left).await?))
    }

    /// Names users who have not failed, each with what is recorded instead.
    async fn named(
        &self,
        runs: &RetriedRuns,
        tenants: &[&TenantId],
    ) -> Result<String, RegistryError> {
        let mut named = Vec::new();
        for tenant in tenants.iter().take(MOST_NAMED) {
            named.push(format!("{tenant} ({})", self.recorded(runs, tenant).await?));
        }
        if tenants.len() > MOST_NAMED {
            named.push(format!("and {} more", tenants.len() - MOST_NAMED));
        }
        Ok(named.join(", "))
    }

    /// What is recorded of a user who is not among the failed that are asked for.
    async fn recorded(
        &self,
        runs: &RetriedRuns,
        tenant: &TenantId,
    ) -> Result<String, RegistryError> {
        let RetriedRuns::One(run) = runs else { return Ok("no such failure".into()) };
        let query = OutcomeQuery {
            run: Some(*run),
            tenant: Some(tenant.clone()),
            limit: Some(1),
            ..OutcomeQuery::default()
        };
        let (outcomes, _next) = self.ledger.outcomes(query).await?;
        let recorded = outcomes.first().map(|outcome| match &outcome.reason {
            Some(reason) => format!("{}: {reason}", outcome.status),
            None => outcome.status.to_string(),
        });
        Ok(recorded.unwrap_or_else(|| "no outcome there".into()))
    }
}

impl Retry {
    fn query(&self, now: Timestamp) -> DeadLetterQuery {
        let (run, job, since) = match &self.runs {
            RetriedRuns::One(run) => (Some(*run), None, None),
            RetriedRuns::OfJob { job, since } => (None, Some(job.clone()), *since),
        };
        let (tenants, reason, error) = (self.tenants.clone(), self.reason, self.error.clone());
        DeadLetterQuery { run, job, since, tenants, reason, error, failed_by: now, after: None }
    }
}
