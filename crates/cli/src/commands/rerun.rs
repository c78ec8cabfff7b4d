//! `cohort rerun`: work that has ended is done again (D13).

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::choice::{Caution, WorkChoice, users_in};
use crate::config::Environment;
use crate::endpoint::EndpointArgs;
use crate::output::{Output, shown};

const EXAMPLE: &str = r#"Example:
  cohort rerun --job post_briefs --status succeeded --since 2026-12-01T08:00:00Z --dry-run
  cohort rerun --job post_briefs --status succeeded --since 2026-12-01T08:00:00Z --data ./data
  cohort rerun 17 --user ann --data ./data

Each user is done once, for the newest of the work that is selected, with the settings of now and a
new idempotency key; the handler is told which nominal time, zone and key it repeats. Who has said
no since is skipped. Reruns are selected by their own run or name only. It does not count as the
day's run. `cohort runs` shows how far it is, and `cohort cancel rerun:UUID` ends it.
With --json the answer is a line {"nominal", "runs", "users", "outcomes", "named"}, with --dry-run
without the first two."#;

/// Do work again that has ended, also what succeeded
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Rerun {
    #[command(flatten)]
    choice: WorkChoice,
    /// Only work that ended so
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,
    #[command(flatten)]
    caution: Caution,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// How work has ended.
#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Succeeded,
    Failed,
    Skipped,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Rerun {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let access = self.caution.access();
        let endpoint = self.endpoint.connect_to_agent(environment, access).await?;
        let answer = self.caution.send(&endpoint, "/runs/rerun", self.body()).await?;
        output.print(&answer, || {
            let users = users_in(&answer);
            match answer.get("nominal") {
                Some(name) => format!("{users}: done again as {}", shown(name)),
                None => format!("{users}: would be done again"),
            }
        })
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = self.choice.body();
        if let Some(status) = self.status {
            body.insert("status".into(), json!(status.as_str()));
        }
        // A request whose answer was lost opens the rerun once.
        if !self.caution.dry_run && !body.is_empty() {
            body.insert("id".into(), json!(Uuid::now_v7().to_string()));
        }
        body
    }
}
