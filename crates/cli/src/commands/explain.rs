//! `cohort explain`: why a user's work was done or not.

use clap::Args;
use cohort_batch_agent::Moment;
use cohort_preferences::{JobId, TenantId};
use serde_json::Value;

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, query, segment};
use crate::output::{Output, items, shown};
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort explain user123 --job post_briefs --at 2026-12-07 --data ./data

--at takes an instant (2026-12-07T09:00:00Z), a time on the user's clock (2026-12-07T10:00)
or a day on it (2026-12-07), of which the first occurrence is explained.

With --json the answer is a line {"tenant_id", "job_id", "asked", "at", "nominal", "timezone",
"chosen", "answer", "sentence", "advice", "trace": [{"step", "text", …}]}. "answer" is one of
a closed set, and each step of the trace has its facts as further fields: docs/SEMANTICS.md, A3.
An answer is given also where nothing ran, so the exit code is 0."#;

/// Say why a job did a user's work at a moment, or did not
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Explain {
    /// Which user
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// Which job
    #[arg(long, value_name = "JOB")]
    job: JobId,
    /// An instant, a time on the user's clock, or a day on it
    #[arg(long, value_name = "INSTANT")]
    at: Moment,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Explain {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::LookAsAgent).await?;
        let path = format!("/tenants/{}/explain", segment(self.tenant.as_str()));
        let parameters = [("job", Some(self.job.to_string())), ("at", Some(self.at.to_string()))];
        let explanation: Value = endpoint.get_json(&query(&path, parameters)).await?;
        output.print(&explanation, || in_words(&explanation))
    }
}

/// Returns the answer first, then how it was found.
fn in_words(explanation: &Value) -> String {
    let text = |field: &str| shown(&explanation[field]);
    let chosen = explanation["chosen"].as_str().map(|chosen| format!("{chosen}\n\n"));
    let steps = items(explanation, "trace").iter();
    let steps = steps.map(|step| [shown(&step["step"]), shown(&step["text"])]);
    format!(
        "{}\n\n{}{}\n\nAnswer: {}. {}",
        text("sentence"),
        chosen.unwrap_or_default(),
        table(["STEP", "FOUND"], &[], steps),
        text("answer"),
        text("advice")
    )
}
