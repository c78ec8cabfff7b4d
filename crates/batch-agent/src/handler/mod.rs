//! The seam to the work itself: a handler does what a purpose names.
//!
//! Most programs write a function and let [`handler_fn`] make a handler of it. A type of one's own
//! implements [`Handler`] where a chunk is to be done in one call.

mod excerpt;
mod function;
mod result;

use std::sync::Arc;

use async_trait::async_trait;
use cohort_preferences::{FeatureType, JobId, Purpose, PurposeId, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

#[cfg(feature = "http")]
pub(crate) use self::excerpt::excerpt;
pub(crate) use self::excerpt::{LONGEST_EXCERPT, shortened};
pub use self::function::{UserWork, handler_fn};
pub(crate) use self::result::{CallEnd, failed};
pub use self::result::{HandlerError, ResultStatus, UserResult};
use cohort_ledger::{FiringName, RepeatedWork, RunId};

/// One user's share of the work, as it is sent.
#[derive(Debug, Clone, Serialize)]
pub struct UserShare {
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
    /// The work that is done again for the user; `None` but in a rerun (D13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<RepeatedWork>,
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
    pub users: Vec<UserShare>,
    /// Whether this is a call for a chunk.
    #[serde(skip)]
    pub is_chunk: bool,
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
