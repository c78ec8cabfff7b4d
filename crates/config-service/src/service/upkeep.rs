//! Upkeep: groups are checked against preferences on request, and old history is removed every
//! hour.

use std::sync::Arc;
use std::time::Duration;

use cohort_database::DiskUsage;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::interval;

use super::config_service::ConfigService;
use crate::error::{ConfigServiceError, Result};
use crate::store::list::{Drift, Forgotten};

/// How often history is searched for what is too old.
const EVERY: Duration = Duration::from_hours(1);

impl ConfigService {
    /// Compares the groups with what the preferences say, and repairs them if asked.
    #[tracing::instrument(level = "debug", skip_all, fields(repair))]
    pub(crate) async fn drift(&self, repair: bool) -> Result<Drift> {
        if repair {
            self.refuse_if_read_only()?;
        }
        self.0.store.drift(repair).await
    }

    /// Returns how much room the database takes, and how much is left on its disk (F13).
    pub async fn disk_usage(&self) -> Result<DiskUsage, ConfigServiceError> {
        self.0.store.disk_usage().await
    }

    /// Removes history that is older than this, and returns how many changes that were. Cursors
    /// before it are then gone (F7).
    #[tracing::instrument(level = "debug", skip_all, fields(%older_than))]
    pub async fn forget(&self, older_than: SignedDuration) -> Result<u64> {
        let before = self
            .0
            .clock
            .now()
            .saturating_sub(older_than)
            .expect("a duration never fails to be subtracted");
        let Forgotten { changes, counts } = self.0.store.forget(before).await?;
        if changes + counts > 0 {
            tracing::info!(changes, counts, %before, "removed history that is older than is kept");
        }
        Ok(changes)
    }

    /// Removes old history every hour until the service closes, or nobody has it any more.
    pub(super) fn forget_in_background(
        &self,
        keep: SignedDuration,
        mut closing: watch::Receiver<bool>,
    ) {
        let service = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let mut hours = interval(EVERY);
            loop {
                tokio::select! {
                    _closed = closing.wait_for(|closing| *closing) => return,
                    _hour = hours.tick() => {}
                }
                let Some(service) = service.upgrade().map(Self) else { return };
                if let Err(error) = service.forget(keep).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "old history could not be removed"
                    );
                }
            }
        });
    }
}
