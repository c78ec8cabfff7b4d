//! `cohort apply` and `cohort diff`: jobs and purposes as a file says them, and what that changes.

use std::io::{self, Write};
use std::path::PathBuf;

use axum::http::Method;
use clap::Args;
use serde_json::Value;

use crate::commands::{Output, print_line, shown};
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::failure::Differs;
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
        match output {
            Output::Json => changes.iter().try_for_each(print_line),
            Output::Text => Ok(changes
                .iter()
                .try_for_each(|change| writeln!(io::stdout(), "{}", headline(change)))?),
        }
    }
}

impl Diff {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let changes =
            self.files.send("/batch-config?dry_run=true", environment, Access::Look).await?;
        let changed: Vec<&Value> =
            changes.iter().filter(|change| change["change"] != "unchanged").collect();
        match output {
            Output::Json => changes.iter().try_for_each(print_line)?,
            Output::Text => changed.iter().try_for_each(|change| print_in_full(change))?,
        }
        if changed.is_empty() { Ok(()) } else { Err(Differs.into()) }
    }
}

impl Files {
    /// Puts the files' documents to the agent, and gives what becomes of each job and purpose.
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
    let version = if change["change"] == "removed" {
        String::new()
    } else {
        format!(" v{}", change["version"])
    };
    format!(
        "{} {} {}{version}",
        shown(&change["kind"]),
        shown(&change["name"]),
        shown(&change["change"])
    )
}

fn print_in_full(change: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{}", headline(change))?;
    for difference in change["differences"].as_array().into_iter().flatten() {
        let side = |name| difference.get(name).map_or_else(|| "nothing".into(), Value::to_string);
        writeln!(
            io::stdout(),
            "  {}: {} -> {}",
            shown(&difference["path"]),
            side("before"),
            side("after")
        )?;
    }
    Ok(())
}
