//! Whether the service can do its work at this moment, and why not (F12).
//!
//! Nothing is believed because it worked a while ago: who asks makes the service write. The write
//! is bounded in time, since a database that hangs says nothing, and shared by all who ask within
//! a moment, so that a stranger who asks often costs little (W10).

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::config_service::ConfigService;
use crate::error::{ConfigServiceError, Result};

/// How long a try may take: who asks has an answer well within the 5 s in which a fault has to be
/// noticed.
const LONGEST_TRY: Duration = Duration::from_millis(2_500);

/// How long the result of a try holds.
const TRY_HOLDS: Duration = Duration::from_millis(1_500);

impl ConfigService {
    /// Fails if the database does not do its work, or the service is being shut down.
    pub(crate) async fn ready(&self) -> Result<()> {
        if self.is_closing() {
            return Err(ConfigServiceError::ShuttingDown);
        }
        // Whoever waits for the lock finds the try done.
        let mut last = self.0.last_try.lock().await;
        let fault = match &*last {
            Some((at, fault)) if at.elapsed() < TRY_HOLDS => fault.clone(),
            _ => {
                let fault = self.try_database().await;
                *last = Some((Instant::now(), fault.clone()));
                fault
            }
        };
        fault.map_or(Ok(()), |cause| Err(ConfigServiceError::NotReady(cause)))
    }

    /// Returns why the database does not do its work.
    async fn try_database(&self) -> Option<String> {
        match timeout(LONGEST_TRY, self.use_database()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                Some(error.fault().map_or_else(|| error.to_string(), |fault| fault.to_string()))
            }
            Err(_elapsed) => {
                let limit = LONGEST_TRY.as_secs_f64();
                Some(format!("the database has not answered within {limit:.1} s"))
            }
        }
    }

    /// Writes, unless this database takes no writes anyway; then reads.
    async fn use_database(&self) -> Result<()> {
        if self.0.read_only.is_some() {
            return self.0.store.newest_change().await.map(drop);
        }
        self.0.store.prove_writable().await
    }
}
