//! The seam to the work itself: a handler does what a purpose names.

use std::sync::Arc;

use async_trait::async_trait;
use cohort_preferences::{FeatureType, JobId, Purpose, PurposeId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use cohort_ledger::{FiringName, RunId};

/// One user's share of the work.
#[derive(Debug, Clone, Serialize)]
pub struct UserWork {
    /// Who.
    pub tenant_id: TenantId,
    /// The idempotency key: the same across retries, agents and restarts (D1).
    pub key: String,
    /// Counted from 1.
    pub attempt: u32,
    /// The version of the preference that the overrides come from.
    pub preference_version: u64,
    /// The user's overrides, over the job's defaults (T12).
    pub template_overrides: Map<String, Value>,
}

/// What a handler is asked to do: for one user (`individual_batch`) or for a chunk
/// (`batch_as_object`).
#[derive(Debug, Clone, Serialize)]
pub struct Work {
    /// Which job.
    pub job_id: JobId,
    /// Which run.
    pub run_id: RunId,
    /// Of which feature.
    pub feature_type: FeatureType,
    /// Which purpose.
    pub purpose_id: PurposeId,
    /// Which occurrence.
    pub nominal: FiringName,
    /// On whose clock.
    pub timezone: String,
    /// The occurrence's instant.
    pub scheduled_at: Timestamp,
    /// For whom; never empty.
    pub users: Vec<UserWork>,
    /// Whether this is a call for a chunk.
    #[serde(skip)]
    pub is_chunk: bool,
}

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

/// Does the work of a purpose.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Does the work and says what became of each user; a user it says nothing of is tried again.
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError>;
}

/// A handler with its limit of users called at once; as many as the agent allows if it has none
/// (D3).
pub struct ServedPurpose {
    /// Does the work.
    pub handler: Arc<dyn Handler>,
    /// The most users who are called and not yet answered.
    pub max_concurrency: Option<usize>,
}

/// Makes the handlers of purposes that are known by their documents only.
pub trait HandlerFactory: Send + Sync + 'static {
    /// The handler that a purpose asks for, or why it cannot be had here.
    fn make(
        &self,
        purpose: &Purpose,
    ) -> Result<ServedPurpose, Box<dyn std::error::Error + Send + Sync>>;
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
}

/// Makes a handler of an asynchronous function over one user's work.
///
/// ```
/// use cohort_batch_agent::{HandlerError, UserWork, handler_fn};
///
/// let greet = handler_fn(|user: UserWork| async move {
///     println!("hello {}", user.tenant_id);
///     Ok::<(), HandlerError>(())
/// });
/// # let _ = greet;
/// ```
pub fn handler_fn<F, R>(function: F) -> Arc<dyn Handler>
where
    F: Fn(UserWork) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    Arc::new(FunctionHandler(function))
}

struct FunctionHandler<F>(F);

#[async_trait]
impl<F, R> Handler for FunctionHandler<F>
where
    F: Fn(UserWork) -> R + Send + Sync,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let mut results = Vec::with_capacity(work.users.len());
        for user in &work.users {
            let tenant_id = user.tenant_id.clone();
            results.push(match (self.0)(user.clone()).await {
                Ok(()) => UserResult::succeeded(tenant_id),
                Err(error) => failed(tenant_id, error),
            });
        }
        Ok(results)
    }
}

/// What an error of the whole call means for one of its users.
pub(crate) fn failed(tenant_id: TenantId, error: HandlerError) -> UserResult {
    let (status, retry_after_s) = match &error {
        HandlerError::Retry { retry_after_s, .. } => (ResultStatus::Retry, *retry_after_s),
        HandlerError::Reject { .. } => (ResultStatus::Failed, None),
    };
    UserResult {
        tenant_id,
        status,
        error: Some(error.to_string()),
        retry_after_s,
        result: None,
        result_url: None,
    }
}
