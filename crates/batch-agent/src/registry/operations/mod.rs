//! Operations: what an operator does to jobs, purposes and runs, and to work that has ended.

mod choice;
mod of_job;
mod of_purpose;
mod of_run;
mod recover;
mod rerun;
mod retry;
mod stop;

pub use self::choice::{Choice, ChosenWork, JobChoice};
pub use self::of_job::{TriggerPreview, Triggered};
pub use self::recover::{GapOfJob, RecoveryView};
pub use self::rerun::Rerun;
pub use self::retry::{Retried, Retry};
pub use self::stop::Stopped;
