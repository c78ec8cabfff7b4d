//! `cohort recover`: how a restored deployment goes on.

use std::fmt::Write;

use axum::http::Method;
use clap::{ArgGroup, Args};
use serde_json::Value;

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::output::{Output, items, shown};

const EXAMPLE: &str = "Example:
  cohort recover --dry-run --data ./data
  cohort recover --rerun --data ./data
  cohort recover --mark-missed --data ./data

A restored deployment knows nothing of what it did between the backup and now. Until this command
says how it goes on, its agent plans nothing and calls nobody.
--rerun plans the gap as after any downtime: work of the gap may be done twice.
--mark-missed records what fell due in the gap as missed (downtime), cancels runs that were open in
the backup, and goes on from now.
With --json the answer of GET /api/v1/recovery is printed.";

/// Say how a deployment that was restored from a backup goes on
#[derive(Args)]
#[command(after_help = EXAMPLE)]
#[command(group = ArgGroup::new("how").required(true).args(["rerun", "mark_missed", "dry_run"]))]
pub(crate) struct Recover {
    /// Plan what fell due since the backup as after any downtime; work may be done twice
    #[arg(long)]
    rerun: bool,
    /// Record what fell due since the backup as missed, and cancel what was open in it
    #[arg(long)]
    mark_missed: bool,
    /// Only show what fell due since the backup, by job
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Recover {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let access = if self.dry_run { Access::Look } else { Access::Change };
        let endpoint = self.endpoint.connect_to_agent(environment, access).await?;
        let view: Value = if self.dry_run {
            endpoint.get_json("/recovery").await?
        } else {
            let choice = if self.rerun { "rerun" } else { "mark_missed" };
            endpoint
                .send_json(Method::POST, &format!("/recovery?choice={choice}"), &Value::Null)
                .await?
        };
        output.print(&view, || in_words(&view))
    }
}

fn in_words(view: &Value) -> String {
    let recovery = &view["recovery"];
    if recovery.is_null() {
        return "not restored from a backup: there is nothing to decide".into();
    }
    let as_of = shown(&recovery["as_of"]);
    match recovery["state"].as_str() {
        Some("held") => held_in_words(view, &as_of),
        Some("moved") => format!("copied on {as_of}, while nobody worked on it: there is no gap"),
        _ => format!(
            "restored as of {as_of}; {} on {} by {}",
            if recovery["state"] == "rerun" { "the gap is planned" } else { "the gap is missed" },
            shown(&recovery["decided_at"]),
            shown(&recovery["decided_by"])
        ),
    }
}

fn held_in_words(view: &Value, as_of: &str) -> String {
    let mut text =
        format!("held: restored as of {as_of}; nothing is on record from then until now");
    if view["gap"].is_null() {
        text.push_str("\nno agent runs here, so what fell due meanwhile is not known");
    }
    for job in items(view, "gap") {
        let _infallible = write!(
            text,
            "\n{}: {} occurrences fell due; --rerun runs {} and misses {}, --mark-missed misses \
             all",
            shown(&job["job_id"]),
            shown(&job["occurrences"]),
            shown(&job["rerun_runs"]),
            shown(&job["rerun_misses"])
        );
    }
    text.push_str("\ngo on: cohort recover --rerun (work may be done twice), or --mark-missed");
    text
}
