//! The commands: one file each, listed in the order of `cohort --help`.

mod agent;
mod apply;
mod backup;
mod bench;
mod cancel;
mod choice;
mod config_service;
mod copy;
mod copy_args;
mod demo;
mod doctor;
mod explain;
mod export;
mod features;
mod groups;
mod import;
mod jobs;
mod keys;
mod next;
mod outcomes;
mod purposes;
mod recover;
mod rerun;
mod restore;
mod retry;
mod run;
mod runs;
mod schedules;
mod status;
mod stop;
mod tenants;
mod up;

use clap::{Parser, Subcommand};
use cohort_batch_agent::SystemClock;

use crate::config::Environment;
use crate::output::Output;

/// Runs each user's recurring work the way that user asked for it.
#[derive(Parser)]
#[command(name = "cohort", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print results as JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Demo(demo::Demo),
    Up(up::Up),
    Status(status::Status),
    ConfigService(config_service::ConfigServiceCommand),
    Agent(agent::AgentCommand),
    Apply(apply::Apply),
    Diff(apply::Diff),
    Import(import::Import),
    Export(export::Export),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Recover(recover::Recover),
    Copy(copy::Copy),
    Groups(groups::Groups),
    Jobs(jobs::Jobs),
    Schedules(schedules::Schedules),
    Trigger(jobs::Trigger),
    Pause(jobs::Pause),
    Resume(jobs::Resume),
    Stop(stop::Stop),
    Purposes(purposes::Purposes),
    #[command(subcommand, after_help = purposes::EXAMPLE)]
    Purpose(purposes::Purpose),
    Cancel(cancel::Cancel),
    Retry(retry::Retry),
    Rerun(rerun::Rerun),
    Runs(runs::Runs),
    #[command(subcommand, after_help = run::EXAMPLE)]
    Run(run::Run),
    Outcomes(outcomes::Outcomes),
    Explain(explain::Explain),
    Next(next::Next),
    #[command(subcommand, after_help = tenants::EXAMPLE)]
    Tenants(tenants::Tenants),
    #[command(subcommand, after_help = features::EXAMPLE)]
    Features(features::Features),
    #[command(subcommand, after_help = keys::EXAMPLE)]
    Keys(keys::Keys),
    Doctor(doctor::Doctor),
    #[command(subcommand, after_help = bench::EXAMPLE)]
    Bench(bench::Bench),
}

impl Command {
    /// Returns what is logged if `COHORT_LOG` is not set: services log what they do, other commands
    /// only what goes wrong.
    pub(crate) fn default_log(&self) -> &'static str {
        match self {
            Self::Up(_) | Self::Agent(_) | Self::ConfigService(_) => "info",
            _ => "warn",
        }
    }
}

impl Cli {
    pub(crate) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let output = if self.json { Output::Json } else { Output::Text };
        match self.command {
            Command::Demo(demo) => demo.run(output).await,
            Command::Up(up) => up.run(environment).await,
            Command::Status(status) => status.run(environment, output).await,
            Command::ConfigService(config_service) => config_service.run(environment).await,
            Command::Agent(agent) => agent.run(environment).await,
            Command::Apply(apply) => apply.run(environment, output).await,
            Command::Diff(diff) => diff.run(environment, output).await,
            Command::Import(import) => import.run(environment, output).await,
            Command::Export(export) => export.run(environment, output).await,
            Command::Backup(backup) => backup.run(environment, output).await,
            Command::Restore(restore) => restore.run(environment, output).await,
            Command::Recover(recover) => recover.run(environment, output).await,
            Command::Copy(copy) => copy.run(environment, output).await,
            Command::Groups(groups) => groups.run(environment, output).await,
            Command::Jobs(jobs) => jobs.run(environment, output).await,
            Command::Schedules(schedules) => schedules.run(environment, output).await,
            Command::Trigger(trigger) => trigger.run(environment, output).await,
            Command::Pause(pause) => pause.run(environment, output).await,
            Command::Resume(resume) => resume.run(environment, output).await,
            Command::Stop(stop) => stop.run(environment, output).await,
            Command::Purposes(purposes) => purposes.run(environment, output).await,
            Command::Purpose(purpose) => purpose.run(environment, output).await,
            Command::Cancel(cancel) => cancel.run(environment, output).await,
            Command::Retry(retry) => retry.run(environment, output).await,
            Command::Rerun(rerun) => rerun.run(environment, output).await,
            Command::Runs(runs) => runs.run(environment, output).await,
            Command::Run(run) => run.run(environment, output).await,
            Command::Outcomes(outcomes) => outcomes.run(environment, output).await,
            Command::Explain(explain) => explain.run(environment, output).await,
            Command::Next(next) => next.run(&SystemClock),
            Command::Tenants(tenants) => tenants.run(environment, output).await,
            Command::Features(features) => features.run(environment, output).await,
            Command::Keys(keys) => keys.run(environment, output).await,
            Command::Doctor(doctor) => doctor.run(environment, output).await,
            Command::Bench(bench) => bench.run(environment).await,
        }
    }
}
