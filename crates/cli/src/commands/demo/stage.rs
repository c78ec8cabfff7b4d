//! The services of a demo, on its folder and its clock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cohort_batch_agent::{
    AgentClock, DynamicBatchScheduler, EnhancedBatchProcessor, JobRegistry, Ledger, NominalDates,
    Serving, SimulatedClock,
};
use cohort_config_client::{ClientError, ConfigDatabaseClient, ImportStatus};
use cohort_preferences::Frequency;
use futures_util::TryStreamExt;

use super::calendar::Interval;
use super::folder::{self, BATCH_CONFIG};
use super::users::{FEATURE, User};
use crate::lifecycle::{DataDir, admin_key};
use crate::purposes::{Handlers, read_documents};
use crate::services::{Address, Server, open_config_service, open_ledger};
use crate::simulated::Simulated;

/// The period in which the scheduler would read everything again, in real time; a demo ends sooner.
const POLL_INTERVAL: Duration = Duration::from_mins(1);

/// Users called at once, as many as an agent calls unless told otherwise.
const MOST_AT_ONCE: usize = 25;

/// The Config Database, the agent and its ledger.
pub(super) struct Stage {
    _held: DataDir,
    server: Server,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) scheduler: DynamicBatchScheduler,
}

impl Stage {
    /// Takes the folder and starts the services on it, with a job and without users.
    pub(super) async fn set(
        folder: &Path,
        mark: Simulated,
        clock: &SimulatedClock,
        interval: Interval,
    ) -> anyhow::Result<Self> {
        let held = folder::take(folder, mark).await?;
        let config = open_config_service(held.path(), Arc::new(clock.clone()), None).await?;
        let key = admin_key(&held, &config).await?;
        let ledger = open_ledger(held.path(), false)?;
        let clock: Arc<dyn AgentClock> = Arc::new(clock.clone());
        apply(&folder.join(BATCH_CONFIG), &ledger, &clock).await?;
        let address = Address::take(([127, 0, 0, 1], 0).into(), &key).await?;
        let processor = processor(&address.client, Arc::clone(&ledger), clock, interval)?;
        let server = address.serve(config, JobRegistry::of_agent(&processor));
        let scheduler = DynamicBatchScheduler::new(processor, POLL_INTERVAL);
        Ok(Self { _held: held, server, ledger, scheduler })
    }

    /// Stores all users.
    pub(super) async fn import(&self, users: &[User]) -> anyhow::Result<()> {
        let documents: String = users.iter().map(User::document).collect();
        let documents = std::io::Cursor::new(documents.into_bytes());
        let results =
            self.server.client.import(documents).await.context("cannot import the users")?;
        let refused = results
            .try_filter(|line| std::future::ready(line.status != ImportStatus::Stored))
            .try_collect::<Vec<_>>()
            .await?;
        anyhow::ensure!(
            refused.is_empty(),
            "{} users were not stored, the first because of {:?}",
            refused.len(),
            refused[0]
        );
        Ok(())
    }

    /// States another frequency for a user.
    pub(super) async fn state(&self, user: &User, frequency: Frequency) -> Result<(), ClientError> {
        let (tenant, preference) = (user.tenant_id.as_str(), user.preference(frequency));
        self.server.client.set_feature_preference(tenant, FEATURE, &preference).await.map(drop)
    }

    /// Stops the services.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.server.stop().await
    }
}

/// Applies a batch config.
async fn apply(
    file: &Path,
    ledger: &Arc<dyn Ledger>,
    clock: &Arc<dyn AgentClock>,
) -> anyhow::Result<()> {
    let documents = read_documents(&[file.to_owned()])?;
    let serving = Serving::new(Arc::new(Handlers { clock: Arc::clone(clock) }), MOST_AT_ONCE);
    let registry = JobRegistry::new(Arc::clone(ledger), Arc::clone(clock), serving);
    registry.apply(&documents, "demo").await.context("cannot apply the batch config")?;
    Ok(())
}

fn processor(
    client: &ConfigDatabaseClient,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    interval: Interval,
) -> anyhow::Result<EnhancedBatchProcessor> {
    let dates = NominalDates { first: interval.first, last: interval.last };
    let handlers = Arc::new(Handlers { clock: Arc::clone(&clock) });
    let builder = EnhancedBatchProcessor::builder(client.clone(), ledger)
        .clock(clock)
        .horizon(dates)
        .stored_jobs(handlers);
    Ok(builder.max_concurrent_items(MOST_AT_ONCE).build()?)
}
