//! `cohort stop`: open work ends, and nothing new begins (D14).

use clap::Args;

use super::choice::{Caution, JobChoice, counted};
use crate::config::Environment;
use crate::endpoint::EndpointArgs;
use crate::output::Output;

const EXAMPLE: &str = r#"Example:
  cohort stop post_briefs --data ./data
  cohort stop --purpose write_brief --data ./data
  cohort stop --all --yes --data ./data

No call begins more than a second later; open calls end as the handler says. Who was not called is
skipped (canceled), and the jobs plan nothing until `cohort resume`. With --json the answer is a
line {"jobs", "runs", "users"}: the runs that end, and their users without an outcome as far as
they were read."#;

/// End all open work of jobs at once, and pause them
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Stop {
    #[command(flatten)]
    choice: JobChoice,
    #[command(flatten)]
    caution: Caution,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Stop {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let access = self.caution.access();
        let endpoint = self.endpoint.connect_to_agent(environment, access).await?;
        let answer = self.caution.send(&endpoint, "/stop", self.choice.body()).await?;
        output.print(&answer, || {
            let runs = counted(answer["runs"].as_u64().unwrap_or_default(), "open run");
            let users = counted(answer["users"].as_u64().unwrap_or_default(), "user");
            let (chosen, dry_run) = (self.choice.told(), self.caution.dry_run);
            let (stops, end) =
                if dry_run { ("would be stopped", "would end") } else { ("is stopped", "end") };
            format!("{chosen} {stops}: {runs} with {users} {end}; `cohort resume` plans again")
        })
    }
}
