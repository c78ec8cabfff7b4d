//! `cohort explain`: why a user's work was done or not.

use std::io::{self, Write};

use clap::Args;
use cohort_batch_agent::Moment;
use cohort_preferences::{JobId, TenantId};
use serde::Deserialize;
use serde_json::Value;

use crate::commands::{Output, print_line};
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, query, segment};
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

/// What people read of an explanation.
#[derive(Deserialize)]
struct Shown {
    chosen: Option<String>,
    answer: String,
    sentence: String,
    advice: String,
    trace: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    step: String,
    text: String,
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
        match output {
            Output::Json => print_line(&explanation),
            Output::Text => print_text(serde_json::from_value(explanation)?),
        }
    }
}

/// The answer first, then how it was come to.
fn print_text(shown: Shown) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}\n", shown.sentence)?;
    if let Some(chosen) = shown.chosen {
        writeln!(stdout, "{chosen}\n")?;
    }
    writeln!(
        stdout,
        "{}\n",
        table(["STEP", "FOUND"], &[], shown.trace.into_iter().map(|step| [step.step, step.text]))
    )?;
    Ok(writeln!(stdout, "Answer: {}. {}", shown.answer, shown.advice)?)
}
