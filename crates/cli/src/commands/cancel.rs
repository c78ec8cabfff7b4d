//! `cohort cancel`: nobody more of a run is called.

use axum::http::Method;
use clap::Args;
use serde_json::Value;

use super::choice::{Caution, RunChoice, counted};
use crate::config::Environment;
use crate::endpoint::{Endpoint, EndpointArgs};
use crate::output::{Output, shown};

const EXAMPLE: &str = r#"Example:
  cohort cancel 17 --data ./data
  cohort cancel trigger:0198c0de-2c6f-7cc3-a1d5-6f1f0e8d9b11 --data ./data
  cohort cancel --job post_briefs --since 2026-12-01T08:00:00Z --data ./data

Users who were not called yet are skipped (canceled); open calls end as the handler says. The job
goes on planning: `cohort stop` ends that too. A running agent does it at once, else the next one
that starts. With --json one run is a line as of `cohort runs`, and several are a line {"runs",
"users"}."#;

/// Call nobody more of runs
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Cancel {
    #[command(flatten)]
    choice: RunChoice,
    #[command(flatten)]
    caution: Caution,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Cancel {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let access = self.caution.access();
        let endpoint = self.endpoint.connect_to_agent(environment, access).await?;
        if let Some(run) = self.choice.only_run().filter(|_run| !self.caution.dry_run) {
            return cancel_one(&endpoint, run, output).await;
        }
        let answer = self.caution.send(&endpoint, "/runs/cancel", self.choice.body()).await?;
        output.print(&answer, || {
            let runs = counted(answer["runs"].as_u64().unwrap_or_default(), "open run");
            let users = counted(answer["users"].as_u64().unwrap_or_default(), "user");
            let end = if self.caution.dry_run { "would be canceled" } else { "canceled" };
            format!("{runs} with {users} {end}")
        })
    }
}

async fn cancel_one(endpoint: &Endpoint, run: i64, output: Output) -> anyhow::Result<()> {
    let path = format!("/runs/{run}/cancel");
    let canceled: Value = endpoint.send_json(Method::POST, &path, &Value::Null).await?;
    output.print(&canceled, || {
        format!("run {run} is canceled since {}", shown(&canceled["canceled_at"]))
    })
}
