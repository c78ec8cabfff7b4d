//! Operations: what an operator does to one job or one run.

mod of_job;
mod of_run;
mod retry;

pub use self::of_job::Triggered;
pub use self::retry::{Retried, RetriedRuns, Retry};
