//! `cohort purposes` and `cohort purpose`: how purposes do, and what can be done with one (D12).

use axum::http::Method;
use clap::{Args, Subcommand};
use cohort_preferences::PurposeId;
use serde_json::Value;

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, segment};
use crate::output::{Output, items, shown};
use crate::table::table;

const PURPOSES_EXAMPLE: &str = r#"Example:
  cohort purposes --data ./data

A purpose is healthy, slowed (its handler has asked for a pause, or has just recovered), failing
(one probe at a time), paused or disabled. With --json each is a line {"purpose_id", "version",
"applied_at", "applied_by", "health": {"state", "since", "until", "cause", "last_error",
"calls_failed", "first_failure", "last_success", "set_by", …}, "purpose"}."#;

pub(crate) const EXAMPLE: &str = "Example:
  cohort purpose show publish --data ./data
  cohort purpose resume publish --data ./data";

const SHOW_EXAMPLE: &str = "Example:
  cohort purpose show publish --data ./data

With --json the purpose is a line as of `cohort purposes`.";

const RESUME_EXAMPLE: &str = "Example:
  cohort purpose resume publish --data ./data

Lifts whatever holds the purpose: a pause of an operator, one that its handler asked for, and that
it is failing. With --json the purpose is a line as of `cohort purposes`.";

const PAUSE_EXAMPLE: &str = "Example:
  cohort purpose pause publish --data ./data

Calls that are open end; no other begins until `cohort purpose resume`. Its work waits, until the
job's deadline. With --json the purpose is a line as of `cohort purposes`.";

const DISABLE_EXAMPLE: &str = "Example:
  cohort purpose disable publish --data ./data

Its work is skipped (purpose_disabled) until `cohort purpose resume`, and is not done later.
With --json the purpose is a line as of `cohort purposes`.";

/// List the purposes, and how each does
#[derive(Args)]
#[command(after_help = PURPOSES_EXAMPLE)]
pub(crate) struct Purposes {
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Show, pause, disable or resume one purpose
#[derive(Subcommand)]
pub(crate) enum Purpose {
    /// Show how a purpose does
    #[command(after_help = SHOW_EXAMPLE)]
    Show(OnePurpose),
    /// Call for a purpose again, whatever holds it
    #[command(after_help = RESUME_EXAMPLE)]
    Resume(OnePurpose),
    /// Call nobody for a purpose until it is resumed
    #[command(after_help = PAUSE_EXAMPLE)]
    Pause(OnePurpose),
    /// Skip a purpose's work until it is resumed
    #[command(after_help = DISABLE_EXAMPLE)]
    Disable(OnePurpose),
}

/// A purpose, and where it is.
#[derive(Args)]
pub(crate) struct OnePurpose {
    /// Which purpose
    #[arg(value_name = "NAME")]
    purpose: PurposeId,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Purposes {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        let list: Value = endpoint.get_json("/purposes").await?;
        let purposes = items(&list, "purposes");
        output.print_list(purposes, || match purposes {
            [] => "there is no purpose; `cohort apply FILE` makes some".into(),
            purposes => table(HEADINGS, &[], purposes.iter().map(row)),
        })
    }
}

impl Purpose {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let purpose = match self {
            Self::Show(one) => one.show(environment).await?,
            Self::Resume(one) => one.post("resume", environment).await?,
            Self::Pause(one) => one.post("pause", environment).await?,
            Self::Disable(one) => one.post("disable", environment).await?,
        };
        output.print(&purpose, || told(&purpose))
    }
}

impl OnePurpose {
    async fn show(&self, environment: &Environment) -> anyhow::Result<Value> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        endpoint.get_json(&format!("/purposes/{}", segment(self.purpose.as_str()))).await
    }

    async fn post(&self, operation: &str, environment: &Environment) -> anyhow::Result<Value> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Change).await?;
        let path = format!("/purposes/{}/{operation}", segment(self.purpose.as_str()));
        endpoint.send_json(Method::POST, &path, &Value::Null).await
    }
}

const HEADINGS: [&str; 5] = ["PURPOSE", "VERSION", "STATE", "UNTIL", "CAUSE"];

fn row(purpose: &Value) -> [String; 5] {
    let health = &purpose["health"];
    [
        shown(&purpose["purpose_id"]),
        shown(&purpose["version"]),
        shown(&health["state"]),
        shown(&health["until"]),
        shown(&health["cause"]),
    ]
}

/// One purpose, field by field, without what is not known.
fn told(purpose: &Value) -> String {
    let health = &purpose["health"];
    let mut lines =
        vec![format!("{} is {}", shown(&purpose["purpose_id"]), shown(&health["state"]))];
    let until = if health["state"] == "failing" { "next probe" } else { "until" };
    for (label, field) in [
        ("since", "since"),
        (until, "until"),
        ("cause", "cause"),
        ("last error", "last_error"),
        ("calls failed", "calls_failed"),
        ("first failure", "first_failure"),
        ("last success", "last_success"),
        ("set by", "set_by"),
    ] {
        let is_new = field == "since" && health["revision"] == 0;
        if !health[field].is_null() && !is_new {
            lines.push(format!("  {label:<14} {}", shown(&health[field])));
        }
    }
    lines.join("\n")
}
