//! `cohort retry`: users who failed are tried again (D6).

use axum::http::Method;
use clap::Args;
use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, segment};
use crate::output::Output;

const EXAMPLE: &str = r#"Example:
  cohort outcomes --status failed --data ./data
  cohort retry 17 --data ./data
  cohort retry 17 --user ann --user bob --new-key --data ./data
  cohort retry --job post_briefs --since 2026-12-01T00:00:00Z --error timeout --data ./data

The settings are read again, and retries and deadline count from now, even if the day has passed.
The handler sees the same idempotency key as before, so that it can tell what it has done already;
--new-key asks for another. A running agent does it at once, else the next one that starts.
With --json the answer is a line {"requeued"}."#;

/// Try users again who failed
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Retry {
    /// In which run; `cohort runs` lists them
    #[arg(value_name = "RUN", required_unless_present = "job")]
    run: Option<i64>,
    /// In all runs of this job
    #[arg(long, value_name = "JOB", conflicts_with = "run")]
    job: Option<JobId>,
    /// Only occurrences at this instant or later
    #[arg(long, value_name = "INSTANT", requires = "job")]
    since: Option<Timestamp>,
    /// Only this user, who must have failed; may be given more than once
    #[arg(long, visible_alias = "tenant", value_name = "TENANT")]
    user: Vec<TenantId>,
    /// Only those whose last error contains this
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only those with this reason
    #[arg(long, value_name = "REASON",
        value_parser = ["rejected", "retries_exhausted", "bad_answer", "poison",
            "unknown_result"])]
    reason: Option<String>,
    /// Let the handler see another idempotency key
    #[arg(long)]
    new_key: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Retry {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Change).await?;
        let answer: Value = endpoint.send_json(Method::POST, &self.path(), &self.body()).await?;
        output.print(&answer, || match answer["requeued"].as_u64().unwrap_or_default() {
            1 => "1 user is tried again".into(),
            requeued => format!("{requeued} users are tried again"),
        })
    }

    fn path(&self) -> String {
        match (&self.job, self.run) {
            (Some(job), _) => format!("/jobs/{}/retry", segment(job.as_str())),
            (None, run) => format!("/runs/{}/retry", run.unwrap_or_default()),
        }
    }

    fn body(&self) -> Value {
        let mut body = json!({"tenants": self.user, "reason": self.reason, "error": self.error,
            "new_key": self.new_key});
        if let Some(since) = self.since {
            body["since"] = json!(since);
        }
        body
    }
}
