//! `cohort`: one binary that runs the services of Cohort, inspects them and operates them.
//!
//! `main` reads the command line and ends with 0 (done), 1 (failed) or 2 (wrong usage or input).
//! Each command is one file in `commands`, and gets what it needs of the environment from `config`,
//! which alone reads it.

mod agent;
mod commands;
mod config;
mod deployment;
mod duration;
mod endpoint;
mod failure;
mod lifecycle;
#[cfg(unix)]
mod open_files;
mod output;
mod progress;
mod purposes;
mod services;
mod serving;
mod simulated;
mod table;
mod telemetry;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use cohort_database::wait_for_closing_files;

use crate::commands::Cli;
use crate::config::Environment;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long threads may take to end with the program: a read that still waits for a terminal must
/// not keep it from ending.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// How long the logs of databases may take to be emptied, after everything else has ended.
const LAST_LOGS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let environment = Environment::read();
    telemetry::start(environment.log.as_deref().unwrap_or(cli.command.default_log()))?;
    #[cfg(unix)]
    open_files::allow_as_many_as_possible();
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    let done = runtime.block_on(cli.run(&environment));
    // Threads are joined and not left to themselves: glibc before 2.37 can crash in detaching a
    // thread that is just ending.
    runtime.shutdown_timeout(LAST_THREADS);
    wait_for_closing_files(LAST_LOGS);
    done
}
