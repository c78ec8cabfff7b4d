//! The record of the ledger: all runs, then all outcomes, a page at a time.

use std::io::Write;

use serde::Serialize;
use serde_json::json;

use super::target::{Target, write_line};
use crate::endpoint::{Endpoint, List, Pages};
use crate::output::Output;

/// What was written.
#[derive(Debug, Default, Serialize)]
struct Summary {
    runs: u64,
    outcomes: u64,
}

/// Writes all runs and outcomes.
pub(super) async fn export(
    endpoint: &Endpoint,
    target: &Target,
    output: Output,
) -> anyhow::Result<()> {
    let mut writer = target.open()?;
    let (mut summary, progress) = (Summary::default(), target.progress("lines"));
    let list = |list, path: &str| Pages { endpoint, list, path: path.into(), parameters: vec![] };
    let runs = list(List::RUNS, "/runs");
    runs.each(usize::MAX, |run| {
        summary.runs += 1;
        progress.set(summary.runs);
        write_line(&mut writer, &json!({ "run": run }))
    })
    .await?;
    let outcomes = list(List::by_cursor("outcomes", 5_000), "/outcomes");
    outcomes
        .each(usize::MAX, |outcome| {
            summary.outcomes += 1;
            progress.set(summary.runs + summary.outcomes);
            write_line(&mut writer, &json!({ "outcome": outcome }))
        })
        .await?;
    writer.flush()?;
    progress.finish();
    target.keep()?;
    let text = format!("{} runs, {} outcomes", summary.runs, summary.outcomes);
    target.print_summary(output, &summary, text)
}
