//! Why a batch config cannot be used.

use crate::id::{IdError, JobId};

/// Why a batch config cannot be used. The text names the line or the job, and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchConfigError {
    /// The text is not JSON, or a field is wrong.
    #[error("line {line}, column {column}: {detail}")]
    At {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// The field, and what was expected.
        detail: String,
    },
    /// A job or purpose was given a name that it cannot have.
    #[error("{field}: not a valid name")]
    Name {
        /// The field that holds the name.
        field: &'static str,
        /// What is wrong with the name.
        source: IdError,
    },
    /// A job cannot be run as it stands.
    #[error("job {job_id}: {field}: {detail}")]
    Job {
        /// Which job.
        job_id: JobId,
        /// Which of its fields.
        field: &'static str,
        /// What was expected.
        detail: String,
    },
}
