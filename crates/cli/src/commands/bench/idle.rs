//! `cohort bench idle`: what an agent costs that has nothing to do.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tempfile::TempDir;

use super::due_users::{MOST_FAR_GROUPS, far_lines};
use super::measurement::BenchArgs;
use super::memory;
use super::stage::Stage;
use super::users;
use crate::config::Environment;
use crate::services::{BASE, LEDGER};

const EXAMPLE: &str = r#"Example:
  cohort bench idle --users 1000000 --groups 5000 --seconds 60

The agent is a process of its own (`cohort agent`). Each figure is a line {"workload","backend","n",
"metric","unit","value","runs"}: cpu (of one processor, once it is ready and has come to rest),
memory (resident). Linux only."#;

const RUNS_HELP: &str = "How many runs, each of a new process; a figure is their median";

/// How long an agent has to come to rest once it is ready.
const REST: Duration = Duration::from_secs(3);

/// How often it is asked whether it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Measure what an agent costs that has nothing to do
#[derive(Args)]
#[command(
    after_help = EXAMPLE,
    mut_arg("users", |users| users.default_value("1000000")),
    mut_arg("runs", |runs| runs.default_value("3").help(RUNS_HELP))
)]
pub(crate) struct BenchIdle {
    #[command(flatten)]
    bench: BenchArgs,
    /// In how many groups, none of which is due
    #[arg(long, value_name = "N", default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(1..=MOST_FAR_GROUPS))]
    groups: u64,
    /// How long to watch, in a run
    #[arg(long, value_name = "S", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

impl BenchIdle {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut measurement = self.bench.begin("idle", environment)?;
        let stage = measurement.stage(far_lines(self.groups)).await?;
        for run in measurement.runs() {
            let agent = AgentProcess::start(&stage).await?;
            tokio::time::sleep(REST).await;
            let share = self.processor_share(agent.child.id()).await?;
            let megabytes = memory::resident(agent.child.id())?;
            measurement.note("cpu", "%", share);
            measurement.note("memory", "MB", megabytes);
            measurement.end_run(run, &format!("{share:.3} % of a processor, {megabytes:.1} MB"));
        }
        stage.end().await?;
        measurement.finish()
    }

    /// Returns what a process uses of one processor, in per cent.
    async fn processor_share(&self, process: u32) -> anyhow::Result<f64> {
        let (before, began) = (memory::processor_time(process)?, Instant::now());
        tokio::time::sleep(Duration::from_secs(self.seconds)).await;
        let worked = memory::processor_time(process)?.saturating_sub(before);
        Ok(worked.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0)
    }
}

/// `cohort agent` on a service of this process.
struct AgentProcess {
    child: Child,
    _folder: TempDir,
}

impl AgentProcess {
    /// Starts it and waits until it is ready.
    async fn start(stage: &Stage) -> anyhow::Result<Self> {
        let folder = TempDir::new().context("cannot make a folder")?;
        let config = batch_config(&folder)?;
        let program = std::env::current_exe().context("cannot tell which program this is")?;
        let ledger = format!("sqlite://{}", folder.path().join(LEDGER).display());
        let child = Command::new(program)
            .args(["agent", "--listen", "127.0.0.1:0", "--ledger-url", &ledger, "--batch-config"])
            .arg(config)
            .env("CONFIG_SERVICE_URL", format!("http://{}{BASE}", stage.address()))
            .env("CONFIG_SERVICE_API_KEY", &stage.key)
            // Standard error is that of the bench, which tells how its runs went.
            .env("COHORT_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the agent")?;
        let mut agent = Self { child, _folder: folder };
        let ready = format!("http://{}/readyz", agent.address().await?);
        while !reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()) {
            anyhow::ensure!(agent.child.try_wait()?.is_none(), "the agent ended");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(agent)
    }

    /// Returns where it says that it listens.
    async fn address(&mut self) -> anyhow::Result<String> {
        let output = self.child.stdout.take().context("the agent has no output")?;
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_length| line)
        });
        let line =
            read.await.context("reading broke down")?.context("cannot read what the agent says")?;
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map(|(address, _)| address.to_owned());
        address.with_context(|| format!("the agent does not say where it listens: {line:?}"))
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, and need not be.
        let _ended = self.child.kill().and_then(|()| self.child.wait().map(drop));
    }
}

fn batch_config(folder: &TempDir) -> anyhow::Result<PathBuf> {
    let (config, template) = (folder.path().join("batch.json"), folder.path().join("text.txt"));
    let job = json!({
        "job_id": "bench", "type": "individual_batch", "purpose_id": "write",
        "preference_based": true, "feature_type": users::FEATURE,
    });
    let purposes = json!({"write": {"handler": "template", "template_file": "text.txt",
        "output_dir": "texts"}});
    std::fs::write(template, "{{ tenant_id }}").context("cannot write the template")?;
    std::fs::write(
        &config,
        json!({"batch_processing_jobs": [job], "purposes": purposes}).to_string(),
    )
    .context("cannot write the job")?;
    Ok(config)
}
