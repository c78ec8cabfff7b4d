//! The record of the ledger: all runs, then all outcomes, a page at a time.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Target, bar, print_summary, write_line};
use crate::commands::Output;
use crate::endpoint::{Endpoint, query};

/// What was written.
#[derive(Debug, Default, Serialize)]
struct Summary {
    runs: u64,
    outcomes: u64,
}

#[derive(Deserialize)]
struct RunPage {
    runs: Vec<Value>,
    next_before: Option<i64>,
}

#[derive(Deserialize)]
struct OutcomePage {
    outcomes: Vec<Value>,
    next_cursor: Option<String>,
}

pub(super) async fn export(
    endpoint: &Endpoint,
    target: &Target,
    output: Output,
) -> anyhow::Result<()> {
    let (mut writer, bar) = (target.open()?, bar(target.is_terminal(), "lines"));
    let mut summary = Summary::default();
    let mut before = None;
    loop {
        let page: RunPage = endpoint
            .get_json(&query("/runs", [("before", before), ("limit", Some("1000".into()))]))
            .await?;
        page.runs.iter().try_for_each(|run| write_line(&mut writer, &json!({ "run": run })))?;
        summary.runs += page.runs.len() as u64;
        bar.count(summary.runs);
        let Some(next) = page.next_before else { break };
        before = Some(next.to_string());
    }
    let mut cursor = None;
    loop {
        let page: OutcomePage = endpoint
            .get_json(&query("/outcomes", [("cursor", cursor), ("limit", Some("5000".into()))]))
            .await?;
        page.outcomes
            .iter()
            .try_for_each(|outcome| write_line(&mut writer, &json!({ "outcome": outcome })))?;
        summary.outcomes += page.outcomes.len() as u64;
        bar.count(summary.runs + summary.outcomes);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    writer.flush()?;
    bar.end();
    target.keep()?;
    let text = match output {
        Output::Json => serde_json::to_string(&summary)?,
        Output::Text => format!("{} runs, {} outcomes", summary.runs, summary.outcomes),
    };
    Ok(print_summary(&text, target.is_stdout())?)
}
