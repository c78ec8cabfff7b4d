//! What was due, held against what is on record (A1), for people.

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

use crate::endpoint::{Endpoint, query};
use crate::table::table;

/// The fields of an account that are shown.
#[derive(Deserialize)]
struct Shown {
    jobs: Vec<JobShown>,
    unaccounted: u64,
    named: Vec<Found>,
}

#[derive(Deserialize)]
struct JobShown {
    job_id: String,
    due: u64,
    closed: u64,
    open: u64,
    unaccounted: u64,
    members: Option<u64>,
    on_record: u64,
}

#[derive(Deserialize)]
struct Found {
    job_id: String,
    frequency: String,
    time_key: String,
    timezone: String,
    nominal: String,
    fault: String,
    members: Option<u64>,
    on_record: u64,
}

/// An account as the agent gives it.
pub(super) struct Account {
    pub(super) whole: Value,
    shown: Shown,
}

impl Account {
    /// Asks for it; `None` if no agent answers here.
    pub(super) async fn ask(
        endpoint: &Endpoint,
        since: SignedDuration,
    ) -> anyhow::Result<Option<Self>> {
        let whole: Option<Value> =
            endpoint.find_json(&query("/account", [("since", Some(since.to_string()))])).await?;
        let Some(whole) = whole else { return Ok(None) };
        Ok(Some(Self { shown: serde_json::from_value(whole.clone())?, whole }))
    }

    /// That everything is accounted for.
    pub(super) fn verdict(&self) -> anyhow::Result<String> {
        let due: u64 = self.shown.jobs.iter().map(|job| job.due).sum();
        let unaccounted = self.shown.unaccounted;
        anyhow::ensure!(unaccounted == 0, "{unaccounted} of {due} occurrences are unaccounted for");
        Ok(format!("{due} occurrences of {} jobs are accounted for", self.shown.jobs.len()))
    }

    /// A line a job, and then one for each occurrence that is unaccounted for.
    pub(super) fn tables(&self) -> Vec<String> {
        let jobs = self.shown.jobs.iter().map(|job| {
            let members = job.members.map_or("-".to_owned(), |members| members.to_string());
            let counts =
                [job.due, job.closed, job.open, job.unaccounted].map(|count| count.to_string());
            let [due, closed, open, unaccounted] = counts;
            [job.job_id.clone(), due, closed, open, unaccounted, members, job.on_record.to_string()]
        });
        let found = self.shown.named.iter().map(|found| {
            let group = format!("{}:{} {}", found.frequency, found.time_key, found.timezone);
            let members = found.members.map_or("-".to_owned(), |members| members.to_string());
            [
                found.job_id.clone(),
                group,
                found.nominal.clone(),
                found.fault.clone(),
                members,
                found.on_record.to_string(),
            ]
        });
        let headings = ["JOB", "DUE", "CLOSED", "OPEN", "UNACCOUNTED", "MEMBERS", "ON RECORD"];
        let of_jobs =
            (!self.shown.jobs.is_empty()).then(|| table(headings, &[1, 2, 3, 4, 5, 6], jobs));
        let headings = ["JOB", "GROUP", "NOMINAL", "FAULT", "MEMBERS", "ON RECORD"];
        let of_found = (!self.shown.named.is_empty()).then(|| table(headings, &[4, 5], found));
        of_jobs.into_iter().chain(of_found).collect()
    }
}
