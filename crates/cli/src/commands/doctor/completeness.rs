//! What was due, compared with what is on record (A1), for people.

use jiff::SignedDuration;
use serde_json::Value;

use crate::endpoint::{Endpoint, query};
use crate::output::{items, shown};
use crate::table::table;

/// What an agent answers when it is asked whether everything that was due is on record.
pub(super) struct CompletenessCheck {
    /// The answer as it came.
    pub(super) whole: Value,
}

impl CompletenessCheck {
    /// Asks the agent; returns `None` if no agent answers here.
    pub(super) async fn ask(
        endpoint: &Endpoint,
        since: SignedDuration,
    ) -> anyhow::Result<Option<Self>> {
        let path = query("/account", [("since", Some(since.to_string()))]);
        Ok(endpoint.find_json(&path).await?.map(|whole| Self { whole }))
    }

    /// Returns in words that everything is accounted for, and fails if it is not.
    pub(super) fn verdict(&self) -> anyhow::Result<String> {
        let jobs = items(&self.whole, "jobs");
        let due: u64 = jobs.iter().filter_map(|job| job["due"].as_u64()).sum();
        let unaccounted = self.whole["unaccounted"].as_u64();
        anyhow::ensure!(
            unaccounted == Some(0),
            "{} of {due} occurrences are unaccounted for",
            shown(&self.whole["unaccounted"])
        );
        Ok(format!("{due} occurrences of {} jobs are accounted for", jobs.len()))
    }

    /// Returns a table of the jobs, and one of the occurrences that are unaccounted for, each if it
    /// has rows.
    pub(super) fn tables(&self) -> Vec<String> {
        let (jobs, named) = (items(&self.whole, "jobs"), items(&self.whole, "named"));
        let mut tables = Vec::new();
        if !jobs.is_empty() {
            tables.push(table(JOB_HEADINGS, &[1, 2, 3, 4, 5, 6], jobs.iter().map(job_row)));
        }
        if !named.is_empty() {
            tables.push(table(OCCURRENCE_HEADINGS, &[4, 5], named.iter().map(occurrence_row)));
        }
        tables
    }
}

const JOB_HEADINGS: [&str; 7] =
    ["JOB", "DUE", "CLOSED", "OPEN", "UNACCOUNTED", "MEMBERS", "ON RECORD"];

fn job_row(job: &Value) -> [String; 7] {
    ["job_id", "due", "closed", "open", "unaccounted", "members", "on_record"]
        .map(|field| shown(&job[field]))
}

const OCCURRENCE_HEADINGS: [&str; 6] = ["JOB", "GROUP", "NOMINAL", "FAULT", "MEMBERS", "ON RECORD"];

fn occurrence_row(occurrence: &Value) -> [String; 6] {
    let text = |field: &str| shown(&occurrence[field]);
    let group = format!("{}:{} {}", text("frequency"), text("time_key"), text("timezone"));
    [text("job_id"), group, text("nominal"), text("fault"), text("members"), text("on_record")]
}
