//! Which outcomes are listed.

use cohort_preferences::{JobId, TenantId};
use serde::Deserialize;

use crate::{LedgerError, RunId, StatusName};

/// Which outcomes to list; `None` does not restrict.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeQuery {
    /// Only those of this run.
    pub run: Option<RunId>,
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Only those of this user.
    pub tenant: Option<TenantId>,
    /// Only those with this status.
    pub status: Option<StatusName>,
    /// Only those with this reason.
    pub reason: Option<String>,
    /// Only those whose detail contains this text.
    pub error: Option<String>,
    /// Only those after this place, as `run:ordinal`; from the start if not given.
    pub cursor: Option<String>,
    /// The most wanted, up to 5,000.
    pub limit: Option<usize>,
}

/// The most outcomes that a list returns at once.
const MOST_OUTCOMES_A_PAGE: usize = 5_000;

impl OutcomeQuery {
    /// The run and the place after which the list begins; `None` from the start.
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
