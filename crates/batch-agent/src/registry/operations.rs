//! Acts on runs: an operator cancels one, or has those tried again who failed (D6).

use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{JobRegistry, RegistryError};
use cohort_ledger::{
    DeadLetter, DeadLetterQuery, FailedReason, LedgerError, OutcomeQuery, Requeue, Run, RunId,
};

/// How many users are requeued in one transaction.
const REQUEUED_AT_ONCE: usize = 1_000;

/// How many users are named of those who cannot be requeued.
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
    /// Users, each counted once a run.
    pub requeued: u64,
}

impl JobRegistry {
    /// Cancels a run: who is not called yet never is. Returns the run; one that was canceled before
    /// stays as it is.
    pub async fn cancel_run(&self, run: RunId) -> Result<Run, RegistryError> {
        self.refuse_if_read_only()?;
        let canceled = self.ledger.cancel_run(run, self.clock.now()).await?;
        self.tell_agent().await?;
        Ok(canceled)
    }

    /// Has users tried again who failed. Who fails again after this began is not tried once more by
    /// it.
    ///
    /// # Errors
    /// [`RegistryError::NotFailed`] if one of the users named is not failed; nobody is requeued
    /// then.
    pub async fn retry(&self, retry: &Retry) -> Result<Retried, RegistryError> {
        self.refuse_if_read_only()?;
        self.refuse_unless_served(&retry.runs).await?;
        let now = self.clock.now();
        let mut query = retry.query(now);
        self.refuse_unless_failed(retry, &query).await?;
        let key_nonce = retry.new_key.then(|| Uuid::new_v4().simple().to_string());
        let mut requeued = 0;
        loop {
            let letters = self.ledger.dead_letters(query.clone(), REQUEUED_AT_ONCE).await?;
            let places: Vec<(RunId, u64)> =
                letters.iter().map(|letter| (letter.run, letter.ordinal)).collect();
            let Some(last) = places.last().copied() else { break };
            requeued += self
                .ledger
                .requeue(Requeue { places, key_nonce: key_nonce.clone(), at: now })
                .await?;
            query.after = Some(last);
        }
        self.tell_agent().await?;
        Ok(Retried { requeued })
    }

    /// Work of a job that is no more would wait for good.
    async fn refuse_unless_served(&self, runs: &RetriedRuns) -> Result<(), RegistryError> {
        let job = match runs {
            RetriedRuns::One(run) => {
                self.ledger.run(*run).await?.ok_or(LedgerError::NoSuchRun(*run))?.job_id
            }
            RetriedRuns::OfJob { job, .. } => job.clone(),
        };
        if self
            .agent
            .as_ref()
            .is_some_and(|agent| agent.jobs().in_force().find_planned(&job).is_some())
        {
            return Ok(());
        }
        self.find_job(&job).await.map(drop)
    }

    /// Whoever is named must have failed: that a user was left out silently could be taken for
    /// done.
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
        let mut named = Vec::new();
        for tenant in left.iter().take(MOST_NAMED) {
            named.push(format!("{tenant} ({})", self.standing(&retry.runs, tenant).await?));
        }
        if left.len() > MOST_NAMED {
            named.push(format!("and {} more", left.len() - MOST_NAMED));
        }
        Err(RegistryError::NotFailed(named.join(", ")))
    }

    /// What is recorded of a user who is not among the failed that are asked for.
    async fn standing(
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

    /// Lets the agent of this process go on with what was done.
    async fn tell_agent(&self) -> Result<(), RegistryError> {
        if let Some(agent) = &self.agent {
            agent.take_over_acts().await?;
        }
        Ok(())
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
