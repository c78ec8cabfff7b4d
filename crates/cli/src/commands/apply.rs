//! `cohort apply` and `cohort diff`: jobs and purposes as a file says them, and what that changes.

use std::fmt::Write;
use std::path::PathBuf;

use axum::http::Method;
use clap::Args;
use serde_json::Value;
use similar::TextDiff;

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::failure::Differs;
use crate::output::{Output, shown};
use crate::purposes::read_documents;

const APPLY_EXAMPLE: &str = r#"Example:
  cohort apply batch.json --data ./data

With --json each job and purpose is a line {"kind", "name", "change", "version", "differences":
[{"path", "before", "after"}]}; "change" is created, updated, unchanged or removed."#;

const DIFF_EXAMPLE: &str = "Example:
  cohort diff batch.json --data ./data

The exit code is 0 if nothing would change, and 1 if something would. The lines of --json are
those of `cohort apply`.";

/// Make jobs and purposes what the files say
///
/// What changes gets a new version, and running agents go by it without a restart. Jobs that no
/// file has are removed; purposes too, if a file speaks of purposes at all.
#[derive(Args)]
#[command(after_help = APPLY_EXAMPLE)]
pub(crate) struct Apply {
    #[command(flatten)]
    files: Files,
}

/// Show what `cohort apply` would change, field by field
#[derive(Args)]
#[command(after_help = DIFF_EXAMPLE)]
pub(crate) struct Diff {
    #[command(flatten)]
    files: Files,
}

/// Batch configs, and where they are compared or applied.
#[derive(Args)]
struct Files {
    /// Batch configs; together they are all jobs
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Apply {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let changes = self.files.send("/batch-config", environment, Access::Change).await?;
        output.print_list(&changes, || changes.iter().map(headline).collect::<Vec<_>>().join("\n"))
    }
}

impl Diff {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let path = "/batch-config?dry_run=true";
        let changes = self.files.send(path, environment, Access::Look).await?;
        let changed: Vec<&Value> =
            changes.iter().filter(|change| change["change"] != "unchanged").collect();
        output.print_list(&changes, || {
            changed.iter().map(|change| in_full(change)).collect::<Vec<_>>().join("\n")
        })?;
        if changed.is_empty() { Ok(()) } else { Err(Differs.into()) }
    }
}

impl Files {
    /// Sends the files' documents to the agent, and returns what becomes of each job and purpose.
    async fn send(
        &self,
        path: &str,
        environment: &Environment,
        access: Access,
    ) -> anyhow::Result<Vec<Value>> {
        let documents = read_documents(&self.files)?.to_json();
        let endpoint = self.endpoint.connect_to_agent(environment, access).await?;
        let mut report: Value = endpoint.send_json(Method::PUT, path, &documents).await?;
        Ok(serde_json::from_value(report["changes"].take())?)
    }
}

fn headline(change: &Value) -> String {
    let [kind, name, kind_of_change] =
        ["kind", "name", "change"].map(|field| shown(&change[field]));
    if kind_of_change == "removed" {
        return format!("{kind} {name} removed");
    }
    format!("{kind} {name} {kind_of_change} v{}", change["version"])
}

/// Returns the headline of a change, and a line for each field that differs. A text of several
/// lines, as a template is, is compared line by line.
fn in_full(change: &Value) -> String {
    let mut text = headline(change);
    for difference in change["differences"].as_array().into_iter().flatten() {
        let path = shown(&difference["path"]);
        let lines = |name: &str| difference[name].as_str().filter(|text| text.contains('\n'));
        let compared = match (lines("before"), lines("after")) {
            (Some(before), Some(after)) => line_by_line(before, after),
            _ => {
                let side =
                    |name| difference.get(name).map_or_else(|| "nothing".into(), Value::to_string);
                format!(" {} -> {}", side("before"), side("after"))
            }
        };
        write!(text, "\n  {path}:{compared}").expect("a String takes everything");
    }
    text
}

/// The lines that differ, each on a line of its own with what is around them.
fn line_by_line(before: &str, after: &str) -> String {
    let hunks = TextDiff::from_lines(before, after).unified_diff().to_string();
    hunks.lines().fold(String::new(), |text, line| text + "\n    " + line)
}
