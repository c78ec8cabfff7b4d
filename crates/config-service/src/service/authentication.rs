//! Who is let in, how often they may ask, and how often each key was used (W4, W5).

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::config_service::{ConfigService, Inner};
use super::rate::Asker;
use crate::error::{ConfigServiceError, Result};
use crate::key::{ApiKey, hash};

/// How often counted uses are written.
const BETWEEN_NOTES: Duration = Duration::from_secs(1);

impl ConfigService {
    /// Returns the key of this text if it is valid now, and counts the use.
    pub(crate) async fn authenticate(&self, key: &str) -> Result<ApiKey> {
        let hash = hash(key);
        let now = self.0.clock.now();
        let admission = &self.0.admission;
        let (as_of, known) = {
            let known = admission.known();
            (known.as_of, known.keys.get(&hash).cloned())
        };
        let key = match known {
            Some(known) => known,
            None => {
                let found =
                    self.0.store.key(hash).await?.ok_or(ConfigServiceError::Unauthorized)?;
                admission.keep(as_of, hash, &found);
                found
            }
        };
        if !key.is_valid_at(now) {
            return Err(ConfigServiceError::Unauthorized);
        }
        admission.count_use(&key, now);
        Ok(key)
    }

    /// Counts a request against the rate of who asks.
    pub(crate) fn count_request(&self, asker: &Asker) -> Result<()> {
        self.0.admission.rate.count(asker)
    }

    /// Writes counted uses from time to time, for as long as anybody holds the service.
    pub(super) fn keep_noting_uses(&self) {
        if self.0.read_only.is_none() {
            tokio::spawn(note_uses(Arc::downgrade(&self.0), self.0.closing.subscribe()));
        }
    }

    async fn note_uses(&self) {
        self.0.admission.rate.forget_quiet();
        let uses: Vec<_> = std::mem::take(&mut *self.0.admission.uses()).into_values().collect();
        if uses.is_empty() {
            return;
        }
        if let Err(error) = self.0.store.note_key_uses(uses).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the use of keys was not noted"
            );
        }
    }
}

async fn note_uses(service: Weak<Inner>, mut closing: watch::Receiver<bool>) {
    loop {
        // The first wait ends early when the service closes; requests that are answered after that
        // are noted as ever.
        tokio::select! {
            () = sleep(BETWEEN_NOTES) => {}
            Ok(()) = closing.changed() => {}
        }
        let Some(inner) = service.upgrade() else { return };
        ConfigService(inner).note_uses().await;
    }
}
