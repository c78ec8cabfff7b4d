//! `cohort`: one binary that runs the parts of Cohort, looks at them and acts on them.
//!
//! `main` reads the command line and ends with 0 (done), 1 (failed) or 2 (wrong usage or input). Each command is one
//! file in `commands`, and gets what it needs of the environment from `config`, which alone reads it.

mod commands;
mod config;
mod failure;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Cli;
use crate::config::Environment;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::read();
    let done = match telemetry::start(environment.log.as_deref().unwrap_or(cli.command.default_log())) {
        Ok(()) => cli.run(&environment).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
