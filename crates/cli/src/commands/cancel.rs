//! `cohort cancel`: nobody more of a run is called.

use std::io::{self, Write};

use axum::http::Method;
use clap::Args;
use serde_json::Value;

use crate::commands::{Output, print_line, shown};
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};

const EXAMPLE: &str = "Example:
  cohort cancel 17 --data ./data

Who was not called yet is skipped (canceled), calls that are open end as the handler says. A \
running agent does it at once,
else the next one that starts. With --json the run is a line as of `cohort runs`.";

/// Call nobody more of a run
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Cancel {
    /// Which run; `cohort runs` lists them
    #[arg(value_name = "RUN")]
    run: i64,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Cancel {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Change).await?;
        let run: Value = endpoint
            .send_json(Method::POST, &format!("/runs/{}/cancel", self.run), &Value::Null)
            .await?;
        match output {
            Output::Json => print_line(&run),
            Output::Text => Ok(writeln!(
                io::stdout(),
                "run {} is canceled since {}",
                self.run,
                shown(&run["canceled_at"])
            )?),
        }
    }
}
