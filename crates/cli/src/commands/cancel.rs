//! `cohort cancel`: nobody more of a run is called.

use axum::http::Method;
use clap::Args;
use serde_json::Value;

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::output::{Output, shown};

const EXAMPLE: &str = "Example:
  cohort cancel 17 --data ./data

Users who were not called yet are skipped (canceled); open calls end as the handler says. A running
agent does it at once, else the next one that starts. With --json the run is a line as of
`cohort runs`.";

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
        let path = format!("/runs/{}/cancel", self.run);
        let run: Value = endpoint.send_json(Method::POST, &path, &Value::Null).await?;
        output.print(&run, || {
            format!("run {} is canceled since {}", self.run, shown(&run["canceled_at"]))
        })
    }
}
