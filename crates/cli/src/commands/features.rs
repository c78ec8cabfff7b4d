//! `cohort features`: the registry of features, with what users may choose (W1, W7, T12).

use std::io;
use std::path::PathBuf;

use anyhow::Context;
use axum::http::Method;
use clap::{Args, Subcommand};
use cohort_preferences::FeatureType;
use serde_json::Value;

use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs};
use crate::failure::wrong_input;
use crate::output::{Output, items, shown};
use crate::table::table;

pub(super) const EXAMPLE: &str = "Example:
  cohort features check instagram_posts --data ./data";

const LIST_EXAMPLE: &str = r#"Example:
  cohort features list --data ./data

With --json each feature is a line {"feature_type", "version", "registered_at", "registered_by",
"definition"}."#;

const SHOW_EXAMPLE: &str = "Example:
  cohort features show instagram_posts --data ./data > instagram_posts.json

Only the definition is printed, as `cohort features put` reads it; with --json a line as of
`cohort features list`.";

const PUT_EXAMPLE: &str = r#"Example:
  cohort features put instagram_posts instagram_posts.json --dry-run --data ./data

The file is {"description", "schema", "policy", "default_preferences"}, each of which may be left
out. Once any feature is registered, preferences for others are refused.
With --json the answer is a line as of `cohort features list`; of a dry run
{"preferences", "broken_count", "broken": [{"tenant_id", "version", "errors"}]}."#;

const CHECK_EXAMPLE: &str = r#"Example:
  cohort features check instagram_posts --data ./data

With --json the answer is a line {"preferences", "broken_count", "broken": [{"tenant_id", "version",
"errors"}]}."#;

/// Register features: schema, policy and defaults, with a dry run
#[derive(Subcommand)]
pub(crate) enum Features {
    List(List),
    Show(Show),
    Put(Put),
    Check(Check),
}

/// List the registered features
#[derive(Args)]
#[command(after_help = LIST_EXAMPLE)]
pub(crate) struct List {
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Print a feature's definition
#[derive(Args)]
#[command(after_help = SHOW_EXAMPLE)]
pub(crate) struct Show {
    /// Which feature
    #[arg(value_name = "FEATURE")]
    feature: FeatureType,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Register a feature, or its next version
///
/// Stored preferences stay valid under the version that they passed.
#[derive(Args)]
#[command(after_help = PUT_EXAMPLE)]
pub(crate) struct Put {
    /// Which feature
    #[arg(value_name = "FEATURE")]
    feature: FeatureType,
    /// Its definition, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Store nothing and list the stored preferences that it would not allow; if there are any, the
    /// exit code is 1
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// List the stored preferences that their feature would not allow today; if there are any, the exit
/// code is 1
#[derive(Args)]
#[command(after_help = CHECK_EXAMPLE)]
pub(crate) struct Check {
    /// Which feature
    #[arg(value_name = "FEATURE")]
    feature: FeatureType,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Features {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(environment, output).await,
            Self::Show(show) => show.run(environment, output).await,
            Self::Put(put) => put.run(environment, output).await,
            Self::Check(check) => check.run(environment, output).await,
        }
    }
}

impl List {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let list: Value = endpoint.get_json("/feature-types").await?;
        let features = items(&list, "feature_types");
        output.print_list(features, || match features {
            [] => "no feature is registered: preferences for any are taken".into(),
            features => table(HEADINGS, &[1], features.iter().map(row)),
        })
    }
}

const HEADINGS: [&str; 5] = ["FEATURE", "VERSION", "REGISTERED AT", "BY", "DESCRIPTION"];

fn row(feature: &Value) -> [String; 5] {
    let text = |field: &str| shown(&feature[field]);
    let description = shown(&feature["definition"]["description"]);
    [
        text("feature_type"),
        text("version"),
        text("registered_at"),
        text("registered_by"),
        description,
    ]
}

impl Show {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let registered: Value = endpoint.get_json(&path(&self.feature)).await?;
        output.print(&registered, || format!("{:#}", registered["definition"]))
    }
}

impl Put {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let definition = self.read()?;
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        if self.dry_run {
            return try_out(&endpoint, &self.feature, &definition, output).await;
        }
        let registered: Value =
            endpoint.send_json(Method::PUT, &path(&self.feature), &definition).await?;
        output.print(&registered, || {
            format!("{} is registered, version {}", self.feature, shown(&registered["version"]))
        })
    }

    fn read(&self) -> anyhow::Result<Value> {
        let text = if self.file.as_os_str() == "-" {
            io::read_to_string(io::stdin())
        } else {
            std::fs::read_to_string(&self.file)
        };
        let file = self.file.display();
        let text = text.map_err(|error| wrong_input(format!("cannot read {file}: {error}")))?;
        serde_json::from_str(&text)
            .map_err(|error| wrong_input(format!("{file}: not JSON: {error}")))
    }
}

impl Check {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        // A dry run is a write that is not carried out: a folder that is opened only to look
        // refuses it.
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        let registered: Value = endpoint.get_json(&path(&self.feature)).await?;
        try_out(&endpoint, &self.feature, &registered["definition"], output).await
    }
}

/// Shows which stored preferences a definition would not allow; fails if there are any.
async fn try_out(
    endpoint: &Endpoint,
    feature: &FeatureType,
    definition: &Value,
    output: Output,
) -> anyhow::Result<()> {
    let path = format!("{}?dry_run=true", path(feature));
    let found: Value = endpoint.send_json(Method::PUT, &path, definition).await?;
    let checked = shown(&found["preferences"]);
    let broken = found["broken_count"].as_u64().context("the answer names no count")?;
    output.print(&found, || match broken {
        0 => format!("all {checked} stored preferences for {feature} are allowed"),
        _ => {
            let rows = items(&found, "broken").iter().flat_map(broken_rows);
            table(["TENANT", "VERSION", "FIELD", "WHY"], &[1], rows)
        }
    })?;
    anyhow::ensure!(
        broken == 0,
        "{broken} of {checked} stored preferences for {feature} would not be allowed"
    );
    Ok(())
}

fn broken_rows(broken: &Value) -> Vec<[String; 4]> {
    let row = |error: &Value| {
        [
            shown(&broken["tenant_id"]),
            shown(&broken["version"]),
            shown(&error["pointer"]),
            shown(&error["detail"]),
        ]
    };
    broken["errors"].as_array().into_iter().flatten().map(row).collect()
}

fn path(feature: &FeatureType) -> String {
    format!("/feature-types/{feature}")
}
