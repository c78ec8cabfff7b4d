//! `cohort runs`: what ran, newest first.

use std::io::{self, Write};

use clap::Args;
use cohort_preferences::{JobId, PreferenceGroup};
use serde::{Deserialize, Serialize};

use crate::commands::Output;
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, query};
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort runs --data ./data --limit 10

With --json each run is a line {"id", "job_id", "feature_type", "frequency", "time_key",
"timezone", "nominal", "scheduled_at", "state", "members", "succeeded", "failed",
"skipped", "unread", "missed", "opened_at", "closed_at"}, with "canceled_at" if it was canceled.
"unread" is how many of the skipped were never read, and have no outcome of their own."#;

/// List runs, newest first
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Runs {
    /// Of one job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Deserialize)]
struct RunPage {
    runs: Vec<serde_json::Value>,
    next_before: Option<i64>,
}

/// The fields of a run that the table shows.
#[derive(Deserialize, Serialize)]
struct Row {
    id: i64,
    job_id: JobId,
    #[serde(flatten)]
    group: PreferenceGroup,
    nominal: String,
    state: String,
    members: u64,
    succeeded: u64,
    failed: u64,
    skipped: u64,
    missed: u64,
}

impl Runs {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        let mut runs = Vec::new();
        let mut before = None;
        while runs.len() < self.limit {
            let limit = (self.limit - runs.len()).min(1_000).to_string();
            let parameters = [
                ("job", self.job.as_ref().map(ToString::to_string)),
                ("before", before.take()),
                ("limit", Some(limit)),
            ];
            let page: RunPage = endpoint.get_json(&query("/runs", parameters)).await?;
            runs.extend(page.runs);
            match page.next_before {
                Some(next) => before = Some(next.to_string()),
                None => break,
            }
        }
        let mut stdout = io::stdout().lock();
        match output {
            Output::Json => runs.iter().try_for_each(|run| writeln!(stdout, "{run}"))?,
            Output::Text if runs.is_empty() => writeln!(stdout, "nothing has run yet")?,
            Output::Text => writeln!(stdout, "{}", as_table(runs)?)?,
        }
        Ok(())
    }
}

fn as_table(runs: Vec<serde_json::Value>) -> anyhow::Result<String> {
    let rows: Vec<Row> = runs.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
    let cells = rows.into_iter().map(|row| {
        [
            row.id.to_string(),
            row.job_id.to_string(),
            format!("{}:{}", row.group.frequency(), row.group.time_key()),
            row.group.timezone().to_string(),
            row.nominal,
            row.state,
            row.members.to_string(),
            row.succeeded.to_string(),
            row.failed.to_string(),
            row.skipped.to_string(),
            row.missed.to_string(),
        ]
    });
    let headings = [
        "RUN",
        "JOB",
        "GROUP",
        "TIMEZONE",
        "NOMINAL",
        "STATE",
        "USERS",
        "SUCCEEDED",
        "FAILED",
        "SKIPPED",
        "MISSED",
    ];
    Ok(table(headings, &[0, 6, 7, 8, 9, 10], cells))
}
