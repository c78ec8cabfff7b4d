//! `cohort retry`: users who failed are tried again (D6).

use clap::Args;
use serde_json::{Map, Value};

use super::choice::{Caution, WorkChoice, counted, users_in};
use crate::config::Environment;
use crate::endpoint::EndpointArgs;
use crate::output::Output;

const EXAMPLE: &str = r#"Example:
  cohort outcomes --status failed --data ./data
  cohort retry 17 --data ./data
  cohort retry 17 --user ann --user bob --new-key --data ./data
  cohort retry --job post_briefs --since 2026-12-01T00:00:00Z --error timeout --data ./data

The settings are read again, and retries and deadline count from now, even if the day has passed.
The handler sees the same idempotency key as before, so that it can tell what it has done already;
--new-key asks for another. What succeeded or was skipped is done again by `cohort rerun`.
A running agent does it at once, else the next one that starts. With --json the answer is a line
{"requeued"}, with --dry-run {"users", "outcomes", "named"}."#;

/// Try users again who failed
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Retry {
    #[command(flatten)]
    choice: WorkChoice,
    /// Let the handler see another idempotency key
    #[arg(long)]
    new_key: bool,
    #[command(flatten)]
    caution: Caution,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Retry {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let access = self.caution.access();
        let endpoint = self.endpoint.connect_to_agent(environment, access).await?;
        let answer = self.caution.send(&endpoint, "/runs/retry", self.body()).await?;
        output.print(&answer, || match answer["requeued"].as_u64() {
            Some(1) => "1 user is tried again".into(),
            Some(requeued) => format!("{} are tried again", counted(requeued, "user")),
            None => format!("{} would be tried again", users_in(&answer)),
        })
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = self.choice.body();
        if self.new_key {
            body.insert("new_key".into(), true.into());
        }
        body
    }
}
