//! The errors of making jobs and purposes ready to serve.

use cohort_preferences::{IdError, JobId, PurposeId};

/// Why a job or a purpose cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A handler was given for a purpose whose name cannot be one.
    #[error("the purpose of a handler")]
    PurposeName {
        /// Why not.
        source: IdError,
    },
    /// A job's purpose has no handler.
    #[error(
        "job {job_id}: no handler serves the purpose {purpose_id}: add it to \"purposes\" in the \
         batch config, or give the builder a handler of this name"
    )]
    NoHandler {
        /// Which job.
        job_id: JobId,
        /// Which purpose.
        purpose_id: PurposeId,
    },
    /// A chunk has more users than the agent may ever call at once (D3).
    #[error(
        "job {job_id}: chunk_size: expected at most {max_concurrent_items}, the most users that \
         this agent calls at once, got {chunk_size}"
    )]
    ChunkTooLarge {
        /// Which job.
        job_id: JobId,
        /// What the job asks for.
        chunk_size: usize,
        /// How many users this agent calls at once.
        max_concurrent_items: usize,
    },
    /// A chunk that is one call would be more users at once than its purpose allows (D3).
    #[error(
        "job {job_id}: chunk_size: expected at most {max_concurrency}, the max_concurrency of the \
         purpose {purpose_id}, got {chunk_size}"
    )]
    ChunkOverPurpose {
        /// Which job.
        job_id: JobId,
        /// Which purpose.
        purpose_id: PurposeId,
        /// What the job asks for.
        chunk_size: usize,
        /// What the purpose allows.
        max_concurrency: usize,
    },
    /// The handler that a purpose names cannot be had here.
    #[error("purpose {purpose_id}")]
    Purpose {
        /// Which purpose.
        purpose_id: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored job is not understood, perhaps because a newer version of the program has applied
    /// it.
    #[error("job {job_id}")]
    Job {
        /// Which job.
        job_id: String,
        /// What is not understood.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
