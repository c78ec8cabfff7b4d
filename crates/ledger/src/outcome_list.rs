//! Which outcomes are listed.

use cohort_preferences::{JobId, TenantId};
use serde::Deserialize;

use crate::{LedgerError, RunId, StatusName};

/// Which outcomes to list; `None` does not restrict.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeQuery {
    /// Of one run.
    pub run: Option<RunId>,
    /// Of one job.
    pub job: Option<JobId>,
    /// Of one user.
    pub tenant: Option<TenantId>,
    /// With one status.
    pub status: Option<StatusName>,
    /// With one reason.
    pub reason: Option<String>,
    /// Whose detail has this in it.
    pub error: Option<String>,
    /// After this place, as `run:ordinal`; from the start if not given.
    pub cursor: Option<String>,
    /// The most wanted, up to 5,000.
    pub limit: Option<usize>,
}

/// The most outcomes a list answers at once.
const MOST_OUTCOMES_A_PAGE: usize = 5_000;

impl OutcomeQuery {
    /// The run and the place behind which the list begins; `None` from the start.
    pub(crate) fn after(&self) -> Result<Option<(i64, i64)>, LedgerError> {
        let Some(text) = self.cursor.as_deref() else { return Ok(None) };
        let parts = text
            .split_once(':')
            .and_then(|(run, ordinal)| Some((run.parse().ok()?, ordinal.parse().ok()?)));
        parts.map(Some).ok_or_else(|| LedgerError::Cursor(text.into()))
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(MOST_OUTCOMES_A_PAGE).clamp(1, MOST_OUTCOMES_A_PAGE)
    }
}
