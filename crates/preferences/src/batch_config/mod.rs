//! The batch config: which jobs run, and which handlers do their work.
//!
//! ```text
//! text ─► shape ─► jobs and purposes as written ─► checked ─► BatchConfig
//! a program's own: Job::builder(…), BatchConfig::builder() ─► checked ─┘
//! ```
//!
//! Accepted are the specification's JSON object, a list of such, or `{"batch_processing_jobs": […],
//! "purposes": {…}}`. Reading is strict: a field that is unknown, or known but not yet served by
//! this version, is an error that names the line and the field. What is built by a program obeys
//! the same checks.

mod builder;
mod check;
mod choices;
mod config;
mod error;
mod field;
mod job;
mod job_document;
mod parse;
mod purpose;
mod shape;
#[cfg(test)]
mod tests;

pub use self::builder::JobBuilder;
pub use self::choices::{Enroll, JobType, Misfire, OncePer, Priority};
pub use self::config::{BatchConfig, BatchConfigBuilder};
pub use self::error::BatchConfigError;
pub use self::job::Job;
pub use self::purpose::{CommandPurpose, HttpPurpose, Purpose, TemplatePurpose};
pub(crate) use self::shape::Shape;
