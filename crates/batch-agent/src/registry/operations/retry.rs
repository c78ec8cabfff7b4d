//! Users who failed are tried again (D6).

use cohort_ledger::{LedgerError, OutcomeQuery, Requeue, RunId, Selection, StatusName};
use cohort_preferences::TenantId;
use serde::Serialize;
use uuid::Uuid;

use super::choice::{Choice, ChosenWork};
use crate::registry::{JobRegistry, RegistryError};

/// How many users are requeued in one transaction.
const REQUEUED_AT_ONCE: usize = 1_000;

/// How many users an error names of those who cannot be requeued.
const MOST_NAMED: usize = 10;

/// Who is to be tried again.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Whose work, if it failed. Users who are named must each have failed.
    pub choice: Choice,
    /// Whether handlers see other keys than before (D1).
    pub new_key: bool,
}

/// How many users were requeued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// Users, each counted once per run.
    pub requeued: u64,
}

impl JobRegistry {
    /// Returns whom a retry would try again.
    pub async fn preview_retry(&self, choice: &Choice) -> Result<ChosenWork, RegistryError> {
        let selection = self.select_failed(choice).await?;
        self.chosen_work(&selection).await
    }

    /// Requeues users who failed. A user who fails again after this began is not requeued once
    /// more.
    ///
    /// # Errors
    /// [`RegistryError::NotFailed`] if one of the users named has not failed; then nobody is
    /// requeued. [`RegistryError::NobodyFailed`] if nobody at all has, [`RegistryError::Held`] if
    /// the ledger was restored and nobody has said yet how to go on (F11).
    pub async fn retry(&self, retry: &Retry) -> Result<Retried, RegistryError> {
        self.refuse_operations()?;
        self.refuse_while_held()?;
        let selection = self.select_failed(&retry.choice).await?;
        let key_nonce = retry.new_key.then(|| Uuid::new_v4().simple().to_string());
        let (mut requeued, mut before) = (0, None);
        loop {
            let failed = self.ledger.selected(&selection, before, REQUEUED_AT_ONCE).await?;
            let Some(last) = failed.last() else { break };
            before = Some((last.run, last.ordinal));
            let places = failed.iter().map(|work| (work.run, work.ordinal)).collect();
            let at = selection.ended_by.unwrap_or_else(|| self.clock.now());
            let requeue = Requeue { places, key_nonce: key_nonce.clone(), at };
            requeued += self.ledger.requeue(requeue).await?;
        }
        if requeued == 0 {
            return Err(RegistryError::NobodyFailed);
        }
        self.tell_agent().await?;
        Ok(Retried { requeued })
    }

    /// The failures that are chosen, of jobs that are served.
    async fn select_failed(&self, choice: &Choice) -> Result<Selection, RegistryError> {
        if choice.status.is_some_and(|status| status != StatusName::Failed) {
            let not_failed = "status: only who failed is tried again; POST /api/v1/runs/rerun \
                              does other work again";
            return Err(RegistryError::NothingChosen(not_failed.into()));
        }
        if *choice == Choice::default() {
            let nothing = "say who is tried again: by run, nominal, job, purpose, since, until, \
                           tenants, reason or error";
            return Err(RegistryError::NothingChosen(nothing.into()));
        }
        let tenants = self.tenants_on_record(choice).await?;
        let failed = Choice { status: Some(StatusName::Failed), tenants, ..choice.clone() };
        let selection = self.select(&failed).await?;
        self.refuse_unless_served(&selection).await?;
        self.refuse_unless_failed(choice, &selection).await?;
        Ok(selection)
    }

    /// Those of the users who are named of whom the ledger knows. If it knows of none, they have
    /// not failed.
    async fn tenants_on_record(&self, choice: &Choice) -> Result<Vec<TenantId>, RegistryError> {
        let known = self.ledger.tenant_numbers(choice.tenants.clone()).await?;
        if known.is_empty() && !choice.tenants.is_empty() {
            let nobody: Vec<&TenantId> = choice.tenants.iter().collect();
            return Err(RegistryError::NotFailed(self.named(choice.run, &nobody).await?));
        }
        let tenants = choice.tenants.iter().filter(|tenant| known.contains_key(*tenant));
        Ok(tenants.cloned().collect())
    }

    /// Refuses runs of a job that was removed: their users would wait forever.
    async fn refuse_unless_served(&self, selection: &Selection) -> Result<(), RegistryError> {
        let mut jobs = selection.jobs.clone();
        if let Some(run) = selection.run {
            jobs.push(self.ledger.run(run).await?.ok_or(LedgerError::NoSuchRun(run))?.job_id);
        }
        let in_force = self.agent.as_ref().map(|agent| agent.jobs().in_force());
        for job in &jobs {
            if in_force.as_ref().is_none_or(|jobs| jobs.find_planned(job).is_none()) {
                self.find_job(job).await?;
            }
        }
        Ok(())
    }

    /// Refuses names of users who have not failed: one left out silently could be taken for done.
    async fn refuse_unless_failed(
        &self,
        choice: &Choice,
        selection: &Selection,
    ) -> Result<(), RegistryError> {
        let (mut left, mut before): (Vec<&TenantId>, _) = (choice.tenants.iter().collect(), None);
        while !left.is_empty() {
            let failed = self.ledger.selected(selection, before, REQUEUED_AT_ONCE).await?;
            let Some(last) = failed.last() else { break };
            before = Some((last.run, last.ordinal));
            left.retain(|tenant| failed.iter().all(|work| work.tenant_id != **tenant));
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(RegistryError::NotFailed(self.named(choice.run, &left).await?))
    }

    /// Names users who have not failed, each with what is recorded instead.
    async fn named(
        &self,
        run: Option<RunId>,
        tenants: &[&TenantId],
    ) -> Result<String, RegistryError> {
        let mut named = Vec::new();
        for tenant in tenants.iter().take(MOST_NAMED) {
            named.push(format!("{tenant} ({})", self.recorded(run, tenant).await?));
        }
        if tenants.len() > MOST_NAMED {
            named.push(format!("and {} more", tenants.len() - MOST_NAMED));
        }
        Ok(named.join(", "))
    }

    /// What is recorded of a user who is not among the failed that are asked for.
    async fn recorded(
        &self,
        run: Option<RunId>,
        tenant: &TenantId,
    ) -> Result<String, RegistryError> {
        let Some(run) = run else { return Ok("no such failure".into()) };
        let query = OutcomeQuery {
            run: Some(run),
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
