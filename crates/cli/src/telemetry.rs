//! Logs: to standard error, so that standard output holds results only.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::failure::wrong_input;

/// Starts logging as this filter says: `COHORT_LOG`, or the command's default.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        wrong_input(format!(
            "COHORT_LOG: {error}; expected a filter such as info or cohort_batch_agent=debug"
        ))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}
