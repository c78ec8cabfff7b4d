//! `cohort schedules`: each group of each job, and when it fires next.

use clap::Args;
use cohort_preferences::JobId;
use serde_json::Value;

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, List, Pages};
use crate::output::{Output, shown};
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort schedules --job instagram_post_preference_based --data ./data

With --json each schedule is a line {"job_id", "feature_type", "frequency", "time_key", "timezone",
"members", "next": {"nominal", "scheduled_at"}}."#;

/// List the groups of the jobs, and when each fires next
///
/// Schedules are what a running agent has planned.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Schedules {
    /// Only of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Schedules {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        let pages = Pages {
            endpoint: &endpoint,
            list: List::by_cursor("schedules", 1_000),
            path: "/schedules".into(),
            parameters: vec![("job", self.job.as_ref().map(ToString::to_string))],
        };
        let schedules = pages.collect(self.limit).await?;
        output.print_list(&schedules, || match schedules.as_slice() {
            [] => "nothing is scheduled".into(),
            schedules => table(HEADINGS, &[3], schedules.iter().map(row)),
        })
    }
}

const HEADINGS: [&str; 5] = ["JOB", "GROUP", "TIMEZONE", "USERS", "NEXT RUN"];

fn row(schedule: &Value) -> [String; 5] {
    let text = |field: &str| shown(&schedule[field]);
    let group = format!("{}:{}", text("frequency"), text("time_key"));
    [text("job_id"), group, text("timezone"), text("members"), shown(&schedule["next"]["nominal"])]
}
