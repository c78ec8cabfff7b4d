//! The settings of users as they are now, read right before an attempt (M3).
//!
//! What may fail: the Config Database; then the reader knows since when, so that a chunk that has
//! to wait for it comes back after a pause of about that length.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cohort_preferences::{BatchGetResponse, Enroll, FeatureType, Job, PreferenceEntry, TenantId};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;

use super::backoff;
use super::consent::Settings;
use crate::clock::{AgentClock, saturating_add};
use crate::source::{PreferenceSource, SourceError};

/// A user's settings, and the version of the preference that states them.
#[derive(Debug, Clone)]
pub(super) struct Current {
    /// Zero if none is stated.
    pub(super) version: u64,
    /// `None` if the preference is deleted, or the job does not serve the user.
    pub(super) settings: Option<Settings>,
}

/// Reads settings, and remembers since when they cannot be read.
pub(super) struct SettingsReader {
    source: Arc<dyn PreferenceSource>,
    clock: Arc<dyn AgentClock>,
    /// Since when the Config Database does not answer; `None` while it does.
    away_since: Mutex<Option<Timestamp>>,
}

impl SettingsReader {
    pub(super) fn new(source: Arc<dyn PreferenceSource>, clock: Arc<dyn AgentClock>) -> Self {
        Self { source, clock, away_since: Mutex::default() }
    }

    /// The settings of these users in force for a job's work on a feature.
    pub(super) async fn read(
        &self,
        feature: &FeatureType,
        job: &Job,
        tenants: &[TenantId],
    ) -> Result<HashMap<TenantId, Current>, SourceError> {
        if tenants.is_empty() {
            return Ok(HashMap::new());
        }
        let answer = self.source.preferences(feature, tenants).await;
        self.note_whether_away(answer.is_err());
        let BatchGetResponse { preferences, .. } = answer.inspect_err(|error| {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the settings of a chunk cannot be read now"
            );
        })?;
        Ok(preferences.into_iter().map(|entry| Current::of_entry(job, entry)).collect())
    }

    /// When to try again to read settings; `seed` picks the point within the pause.
    pub(super) fn next_try_at(&self, seed: u64) -> Timestamp {
        let now = self.clock.now();
        let away_for =
            self.away_since().map_or(SignedDuration::ZERO, |since| now.duration_since(since));
        saturating_add(now, backoff::pause_while_away(away_for, seed))
    }

    fn note_whether_away(&self, is_away: bool) {
        let mut since = self.away_since();
        *since = is_away.then(|| since.unwrap_or_else(|| self.clock.now()));
    }

    fn away_since(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.away_since.lock().expect("the instant is changed by code that does not panic")
    }
}

impl Current {
    /// What a page of members says of one.
    pub(super) fn of_page(tenant_id: &TenantId, version: u64, text: Option<&RawValue>) -> Self {
        Self { version, settings: text.and_then(|preference| readable(tenant_id, preference)) }
    }

    /// What is in force for a job's work; nothing for a tenant who is not there, or whom the job
    /// does not serve without a preference (T13).
    fn of_entry(job: &Job, entry: PreferenceEntry) -> (TenantId, Self) {
        let has_stated_nothing = entry.version == 0 && job.enroll == Enroll::Everyone;
        let current = if entry.number.is_none() {
            Self { version: 0, settings: None }
        } else if job.schedule.is_some() || has_stated_nothing {
            Self { version: 0, settings: Some(Settings::of_nothing_stated()) }
        } else {
            Self::of_page(&entry.tenant_id, entry.version, entry.preference.as_deref())
        };
        (entry.tenant_id, current)
    }
}

/// A stored preference that cannot be read is not a reason to lose the other 24: the user counts as
/// deleted, loudly.
fn readable(tenant_id: &TenantId, preference: &RawValue) -> Option<Settings> {
    Settings::read(preference)
        .inspect_err(
            |error| tracing::error!(%tenant_id, %error, "a stored preference cannot be read"),
        )
        .ok()
}
