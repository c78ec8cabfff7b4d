//! `cohort schedules`: each group of each job, and when it fires next.

use std::io::{self, Write};

use clap::Args;
use cohort_preferences::JobId;
use serde_json::Value;

use crate::commands::{Output, print_line, shown};
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, query};
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort schedules --job instagram_post_preference_based --data ./data

With --json each schedule is a line {"job_id", "feature_type", "frequency", "time_key", "timezone", "members",
"next": {"nominal", "scheduled_at"}}."#;

/// List the groups of the jobs, and when each fires next
///
/// Schedules are what a running agent has planned.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Schedules {
    /// Of one job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// At most so many
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
        let schedules = self.read(environment).await?;
        match output {
            Output::Json => schedules.iter().try_for_each(print_line)?,
            Output::Text if schedules.is_empty() => writeln!(io::stdout(), "nothing is scheduled")?,
            Output::Text => {
                writeln!(io::stdout(), "{}", table(HEADINGS, &[3], schedules.iter().map(row)))?
            }
        }
        Ok(())
    }

    async fn read(&self, environment: &Environment) -> anyhow::Result<Vec<Value>> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        let (mut schedules, mut cursor) = (Vec::new(), None);
        while schedules.len() < self.limit {
            let limit = (self.limit - schedules.len()).min(1_000).to_string();
            let parameters = [
                ("job", self.job.as_ref().map(ToString::to_string)),
                ("cursor", cursor.take()),
                ("limit", Some(limit)),
            ];
            let mut page: Value = endpoint.get_json(&query("/schedules", parameters)).await?;
            let of_page: Vec<Value> = serde_json::from_value(page["schedules"].take())?;
            schedules.extend(of_page);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(schedules)
    }
}

const HEADINGS: [&str; 5] = ["JOB", "GROUP", "TIMEZONE", "USERS", "NEXT RUN"];

fn row(schedule: &Value) -> [String; 5] {
    let text = |field: &str| shown(&schedule[field]);
    let group = format!("{}:{}", text("frequency"), text("time_key"));
    [text("job_id"), group, text("timezone"), text("members"), shown(&schedule["next"]["nominal"])]
}
