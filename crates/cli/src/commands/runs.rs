//! `cohort runs`: what ran, newest first.

use clap::Args;
use cohort_preferences::JobId;
use serde_json::Value;

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, List, Pages};
use crate::output::{Output, shown};
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort runs --data ./data --limit 10
  cohort runs --nominal trigger:0198c0de-2c6f-7cc3-a1d5-6f1f0e8d9b11 --data ./data

With --json each run is a line {"id", "job_id", "feature_type", "frequency", "time_key",
"timezone", "nominal", "scheduled_at", "state", "members", "succeeded", "failed",
"skipped", "unread", "missed", "opened_at", "closed_at"}, with "canceled_at" if it was canceled.
"unread" is how many of the skipped were never read, and have no outcome of their own."#;

/// List runs, newest first
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Runs {
    /// Only of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// Only of this nominal time, or of this trigger or rerun
    #[arg(long, value_name = "NAME")]
    nominal: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Runs {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        let pages = Pages {
            endpoint: &endpoint,
            list: List::RUNS,
            path: "/runs".into(),
            parameters: vec![
                ("job", self.job.as_ref().map(ToString::to_string)),
                ("nominal", self.nominal.clone()),
            ],
        };
        let runs = pages.collect(self.limit).await?;
        output.print_list(&runs, || match runs.as_slice() {
            [] => "nothing has run yet".into(),
            runs => table(HEADINGS, &[0, 6, 7, 8, 9, 10], runs.iter().map(row)),
        })
    }
}

const HEADINGS: [&str; 11] = [
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

fn row(run: &Value) -> [String; 11] {
    let text = |field: &str| shown(&run[field]);
    [
        text("id"),
        text("job_id"),
        format!("{}:{}", text("frequency"), text("time_key")),
        text("timezone"),
        text("nominal"),
        text("state"),
        text("members"),
        text("succeeded"),
        text("failed"),
        text("skipped"),
        text("missed"),
    ]
}
