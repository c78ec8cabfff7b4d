//! How an agent is put together and its batch config is applied.

use std::sync::Arc;

use anyhow::Context;
use cohort_batch_agent::{
    AgentClock, Alteration, DynamicBatchScheduler, EnhancedBatchProcessor, JobRegistry, Ledger,
    RegistryError, Serving, StartReport,
};
use cohort_config_client::ConfigDatabaseClient;

use super::args::{AgentSettings, BatchConfigFiles};
use super::holder::Holder;
use super::prepared::PreparedAgent;
use crate::failure::{wrong_input, wrong_input_with_causes};
use crate::purposes::Handlers;

/// What an agent is made of.
pub(crate) struct AgentSetup {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Arc<dyn AgentClock>,
    pub(crate) holder: Holder,
    pub(crate) settings: AgentSettings,
}

impl AgentSetup {
    /// Applies the batch config of this start, unless the last start had the same one.
    pub(crate) async fn apply_batch_config(&self) -> anyhow::Result<()> {
        let Some(config) = &self.settings.batch_config else { return Ok(()) };
        let serving = Serving::new(self.handlers(), self.settings.max_concurrent_items);
        let registry = JobRegistry::new(Arc::clone(&self.ledger), Arc::clone(&self.clock), serving);
        let report = registry.apply_at_start(&config.documents, self.holder.started_as).await;
        log_report(&report.map_err(|error| cannot_apply(config, error))?);
        Ok(())
    }

    /// Makes the agent, whose schedules are not read yet. An agent that is alone takes back what
    /// the agent before it had in hand.
    pub(crate) async fn prepare(
        self,
        client: ConfigDatabaseClient,
    ) -> anyhow::Result<PreparedAgent> {
        let processor = self.processor(client)?;
        if self.holder.is_alone {
            take_back_claims(&processor).await?;
        }
        let scheduler = DynamicBatchScheduler::new(processor.clone(), self.settings.poll_interval);
        let scheduler = Arc::new(scheduler.retention(self.settings.retention));
        Ok(PreparedAgent { scheduler, processor, grace: self.settings.grace })
    }

    fn processor(&self, client: ConfigDatabaseClient) -> anyhow::Result<EnhancedBatchProcessor> {
        EnhancedBatchProcessor::builder(client, Arc::clone(&self.ledger))
            .clock(Arc::clone(&self.clock))
            .holder(&self.holder.name)
            .stored_jobs(self.handlers())
            .max_concurrent_items(self.settings.max_concurrent_items)
            .retry_limit(self.settings.retry_limit)
            .build()
            .map_err(|error| wrong_input_with_causes(&error))
    }

    fn handlers(&self) -> Arc<Handlers> {
        Arc::new(Handlers { clock: Arc::clone(&self.clock) })
    }
}

fn log_report(report: &StartReport) {
    match report {
        StartReport::Applied(report) => {
            let changes = report.changes.iter();
            for change in changes.filter(|change| change.change != Alteration::Unchanged) {
                tracing::info!(
                    name = change.name,
                    version = change.version,
                    change = ?change.change,
                    "applied"
                );
            }
        }
        StartReport::Known { in_force: true } => {}
        StartReport::Known { in_force: false } => tracing::warn!(
            "--batch-config is what the last start had, and other jobs or purposes were applied \
             since: those stay; `cohort diff` shows the difference, `cohort apply` takes them back"
        ),
    }
}

/// Returns why a batch config was not applied; what the user wrote is named with its files.
fn cannot_apply(config: &BatchConfigFiles, error: RegistryError) -> anyhow::Error {
    match error {
        RegistryError::Ledger(error) => {
            anyhow::Error::new(error).context("cannot store the batch config")
        }
        error => {
            let files: Vec<_> =
                config.files.iter().map(|file| file.display().to_string()).collect();
            let causes = wrong_input_with_causes(&error);
            wrong_input(format!("{}: {causes}", files.join(", ")))
        }
    }
}

async fn take_back_claims(processor: &EnhancedBatchProcessor) -> anyhow::Result<()> {
    let taken_back = processor.take_back_claims().await.context("cannot read the ledger")?;
    if taken_back > 0 {
        tracing::warn!(
            chunks = taken_back,
            "work that was in hand when the last process ended is done again"
        );
    }
    Ok(())
}
