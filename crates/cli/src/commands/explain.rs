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
  cohort explain user123 --at monday --data ./data
  cohort explain user123 --job post_briefs --at "yesterday 09:00" --data ./data

--at takes an instant (2026-12-07T09:00:00Z), a time on the user's clock (2026-12-07T10:00) or a day
on it (2026-12-07), of which the first occurrence is explained. A day is also today, yesterday,
tomorrow or the latest of a weekday (monday), and may have a time after it (monday 09:00). What was
run by hand in that time is told too. Without --job each job is explained that has to do with the
user then.

With --json the answer is a line {"tenant_id", "job_id", "asked", "at", "nominal", "timezone",
"chosen", "answer", "sentence", "advice", "by_hand", "trace": [{"step", "text", …}]}; without --job
a line {"tenant_id", "asked", "explanations": […]} of these. Instants are in UTC there; in text all
times are those of the one zone that is named. "answer" is one of a closed set, "by_hand" is there
if something was run by hand beside, and each step of the trace has its facts as further fields:
docs/SEMANTICS.md, A3. An answer is given also where nothing ran, so the exit code is 0."#;

/// Say why a user's work was done at a moment, or was not
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Explain {
    /// Which user
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// Which job [default: each that has to do with the user then]
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// An instant, a time on the user's clock, or a day on it, by date or name
    #[arg(long, value_name = "WHEN")]
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
        let job = self.job.as_ref().map(ToString::to_string);
        let parameters = [("job", job), ("at", Some(self.at.to_string()))];
        let told: Value = endpoint.get_json(&query(&path, parameters)).await?;
        output.print(&told, || match self.job {
            Some(_) => in_words(&told),
            None => all_in_words(items(&told, "explanations")),
        })
    }
}

/// Returns the explanations of all jobs, each under the job's name.
fn all_in_words(explanations: &[Value]) -> String {
    if explanations.is_empty() {
        return "there are no jobs; `cohort apply FILE` makes some".into();
    }
    let of_job = |explanation: &Value| {
        format!("Job {}\n\n{}", shown(&explanation["job_id"]), in_words(explanation))
    };
    explanations.iter().map(of_job).collect::<Vec<_>>().join("\n\n\n")
}

/// Returns the answer first, then how it was found.
fn in_words(explanation: &Value) -> String {
    let text = |field: &str| shown(&explanation[field]);
    let chosen = explanation["chosen"].as_str().map(|chosen| format!("{chosen}\n\n"));
    let by_hand = items(explanation, "by_hand").iter();
    let by_hand: String = by_hand.map(|run| shown(&run["sentence"]) + "\n\n").collect();
    let zone = explanation["timezone"].as_str();
    let zone = zone.map(|zone| format!("All times are those of {zone}.\n"));
    let steps = items(explanation, "trace").iter();
    let steps = steps.map(|step| [shown(&step["step"]), shown(&step["text"])]);
    format!(
        "{}\n\n{}{by_hand}{}\n\n{}Answer: {}. {}",
        text("sentence"),
        chosen.unwrap_or_default(),
        table(["STEP", "FOUND"], &[], steps),
        zone.unwrap_or_default(),
        text("answer"),
        text("advice")
    )
}
