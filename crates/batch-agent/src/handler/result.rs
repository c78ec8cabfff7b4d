//! What a handler says became of its users.

use std::fmt::Display;

use cohort_preferences::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What became of one user.
#[derive(Debug, Clone, Deserialize)]
pub struct UserResult {
    /// Who.
    pub tenant_id: TenantId,
    /// How it ended.
    pub status: ResultStatus,
    /// Why it did not succeed.
    #[serde(default)]
    pub error: Option<String>,
    /// Seconds before the next attempt, at least.
    #[serde(default)]
    pub retry_after_s: Option<u64>,
    /// Kept with the outcome, up to 4 KiB (D11).
    #[serde(default)]
    pub result: Option<Value>,
    /// Kept with the outcome.
    #[serde(default)]
    pub result_url: Option<String>,
}

/// How a user's work ended in the handler's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultStatus {
    /// Done.
    Succeeded,
    /// Not done, and it makes no sense to try again.
    Failed,
    /// Not done; it may succeed later.
    Retry,
}

/// A call that gave no result for any of its users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// It may succeed later (D4).
    #[error("{detail}")]
    Retry {
        /// What happened.
        detail: String,
        /// Seconds before the next attempt, at least.
        retry_after_s: Option<u64>,
    },
    /// It makes no sense to try again (D4).
    #[error("{detail}")]
    Reject {
        /// What happened.
        detail: String,
    },
}

impl UserResult {
    /// The work of this user is done.
    pub fn succeeded(tenant_id: TenantId) -> Self {
        Self {
            tenant_id,
            status: ResultStatus::Succeeded,
            error: None,
            retry_after_s: None,
            result: None,
            result_url: None,
        }
    }

    /// The work of this user is not done, and may succeed later (D4).
    pub fn retry(tenant_id: TenantId, why: impl Display) -> Self {
        Self {
            status: ResultStatus::Retry,
            error: Some(why.to_string()),
            ..Self::succeeded(tenant_id)
        }
    }

    /// The work of this user is not done, and it makes no sense to try again (D4).
    pub fn failed(tenant_id: TenantId, why: impl Display) -> Self {
        Self {
            status: ResultStatus::Failed,
            error: Some(why.to_string()),
            ..Self::succeeded(tenant_id)
        }
    }

    /// The same, with what is kept with the outcome: up to 4 KiB as JSON (D11). `null` keeps
    /// nothing.
    ///
    /// # Errors
    /// If the value has no JSON text, as a map whose keys are no strings.
    pub fn with_result(self, result: impl Serialize) -> Result<Self, serde_json::Error> {
        let result = Some(serde_json::to_value(result)?).filter(|result| !result.is_null());
        Ok(Self { result, ..self })
    }
}

impl HandlerError {
    /// Nothing was done, and it may succeed later (D4).
    ///
    /// ```
    /// # use cohort_batch_agent::HandlerError;
    /// let read = std::fs::read("/there/is/no/such/file").map_err(HandlerError::retry);
    /// assert!(read.is_err());
    /// ```
    pub fn retry(why: impl Display) -> Self {
        Self::Retry { detail: why.to_string(), retry_after_s: None }
    }

    /// Nothing was done, and it makes no sense to try again (D4).
    pub fn reject(why: impl Display) -> Self {
        Self::Reject { detail: why.to_string() }
    }
}

/// What an error of the whole call means for one of its users.
pub(crate) fn failed(tenant_id: TenantId, error: HandlerError) -> UserResult {
    match &error {
        HandlerError::Retry { retry_after_s, .. } => {
            UserResult { retry_after_s: *retry_after_s, ..UserResult::retry(tenant_id, &error) }
        }
        HandlerError::Reject { .. } => UserResult::failed(tenant_id, &error),
    }
}
