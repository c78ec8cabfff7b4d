//! `cohort tenants`: the users, with everything that is kept of one (W3, W8).

use std::io::{self, Write};

use axum::http::Method;
use clap::{Args, Subcommand};
use cohort_preferences::{FEATURE_PREFERENCES, FeatureType, TenantId};
use serde_json::{Value, json};

use crate::commands::{Output, print_line, shown};
use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs, query, segment};
use crate::failure::WrongInput;
use crate::table::table;

pub(super) const EXAMPLE: &str = "Example:
  cohort tenants history user123 --data ./data";

const LIST_EXAMPLE: &str = r#"Example:
  cohort tenants list --label plan:pro --data ./data

With --json each user is a line {"tenant_id", "created_at", "timezone", "labels"}, all of them unless --limit is given."#;

const SHOW_EXAMPLE: &str = r#"Example:
  cohort tenants show user123 --data ./data

With --json it is a line {"tenant_id", "created_at", "timezone", "labels", "preferences"}."#;

const HISTORY_EXAMPLE: &str = r#"Example:
  cohort tenants history user123 --feature instagram_posts --data ./data

With --json each change is a line {"change", "at", "actor", "feature_type", "version", "before", "after",
"definition_version"}, newest first, all of them unless --limit is given."#;

const ERASE_EXAMPLE: &str = r#"Example:
  cohort tenants erase user123 --yes --data ./data

With --json the receipt is a line {"number", "erased_at", "preferences", "history_entries"}."#;

const LINK_EXAMPLE: &str = r#"Example:
  cohort tenants link user123 --expires-in 72h --data ./data

The token goes to standard output; it is sent as `Authorization: Bearer TOKEN`.
With --json it is a line {"token", "expires_at"}."#;

/// How many rows a table shows, if not told otherwise.
const ROWS: usize = 50;

/// The most that a page of a list holds.
const PAGE: usize = 1_000;

/// Look at users, erase one, or give one a link to their own preferences
#[derive(Subcommand)]
pub(crate) enum Tenants {
    List(List),
    Show(One),
    History(History),
    Erase(Erase),
    Link(Link),
}

/// List users
#[derive(Args)]
#[command(after_help = LIST_EXAMPLE)]
pub(crate) struct List {
    /// Whose id begins so
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Who carry this label
    #[arg(long, value_name = "NAME:VALUE")]
    label: Option<String>,
    /// Who were there at this instant
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// At most so many [default: 50, with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Show a user's timezone, labels and preferences
#[derive(Args)]
#[command(after_help = SHOW_EXAMPLE)]
pub(crate) struct One {
    /// Who
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// List a user's changes, newest first
#[derive(Args)]
#[command(after_help = HISTORY_EXAMPLE)]
pub(crate) struct History {
    /// Who
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// Only changes of the preference for this feature
    #[arg(long, value_name = "FEATURE")]
    feature: Option<FeatureType>,
    /// At most so many [default: 50, with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Erase a user: preferences, history and name; counts stay
#[derive(Args)]
#[command(after_help = ERASE_EXAMPLE)]
pub(crate) struct Erase {
    /// Who
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// Really: nothing brings it back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Make a link to a user's own preferences
#[derive(Args)]
#[command(after_help = LINK_EXAMPLE)]
pub(crate) struct Link {
    /// Whose
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// For how long, such as 30m, 72h or 7d
    #[arg(long, value_name = "TIME")]
    expires_in: String,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Tenants {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(environment, output).await,
            Self::Show(one) => one.run(environment, output).await,
            Self::History(history) => history.run(environment, output).await,
            Self::Erase(erase) => erase.run(environment, output).await,
            Self::Link(link) => link.run(environment, output).await,
        }
    }
}

/// A list that comes in pages.
struct Pages<'a> {
    endpoint: &'a Endpoint,
    path: String,
    /// Under which name the answer holds the items.
    items: &'static str,
    parameters: Vec<(&'static str, Option<String>)>,
}

impl Pages<'_> {
    /// Gives each item, at most so many; says whether there are more.
    async fn each(
        &self,
        most: usize,
        mut each: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let (mut left, mut cursor) = (most, None);
        while left > 0 {
            let own = [("cursor", cursor), ("limit", Some(left.min(PAGE).to_string()))];
            let page: Value = self
                .endpoint
                .get_json(&query(&self.path, self.parameters.iter().cloned().chain(own)))
                .await?;
            for item in page[self.items].as_array().into_iter().flatten().take(left) {
                each(item.clone())?;
                left -= 1;
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Prints the items as lines of JSON or as a table.
    async fn print<const N: usize>(
        &self,
        output: Output,
        limit: Option<usize>,
        headings: [&str; N],
        row: impl Fn(&Value) -> [String; N],
    ) -> anyhow::Result<()> {
        if output == Output::Json {
            self.each(limit.unwrap_or(usize::MAX), |item| print_line(&item)).await?;
            return Ok(());
        }
        let mut rows = Vec::new();
        let has_more = self
            .each(limit.unwrap_or(ROWS), |item| {
                rows.push(row(&item));
                Ok(())
            })
            .await?;
        let shown = rows.len();
        writeln!(io::stdout(), "{}", table(headings, &[], rows))?;
        if has_more {
            writeln!(io::stdout(), "the first {shown}; --limit shows more")?;
        }
        Ok(())
    }
}

impl List {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let parameters = vec![
            ("q", self.q.clone()),
            ("label", self.label.clone()),
            ("as_of", self.as_of.clone()),
        ];
        let pages =
            Pages { endpoint: &endpoint, path: "/tenants".into(), items: "tenants", parameters };
        let row = |tenant: &Value| {
            [
                shown(&tenant["tenant_id"]),
                shown(&tenant["created_at"]),
                shown(&tenant["timezone"]),
                labels(&tenant["labels"]),
            ]
        };
        pages.print(output, self.limit, ["TENANT", "SINCE", "TIMEZONE", "LABELS"], row).await
    }
}

impl One {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let path = path(&self.tenant);
        let mut tenant: Value = endpoint.get_json(&path).await?;
        let document: Option<Value> =
            endpoint.find_json(&format!("{path}/configs/{FEATURE_PREFERENCES}")).await?;
        tenant["preferences"] =
            document.map_or_else(|| json!({}), |document| document["config_value"].clone());
        match output {
            Output::Json => print_line(&tenant)?,
            Output::Text => print_tenant(&tenant)?,
        }
        Ok(())
    }
}

fn print_tenant(tenant: &Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let (timezone, labels) = (shown(&tenant["timezone"]), labels(&tenant["labels"]));
    writeln!(
        stdout,
        "{}, since {}, timezone {timezone}, labels {labels}",
        shown(&tenant["tenant_id"]),
        shown(&tenant["created_at"])
    )?;
    for (feature, preference) in tenant["preferences"].as_object().into_iter().flatten() {
        writeln!(stdout, "{feature}: {preference}")?;
    }
    Ok(())
}

impl History {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let parameters = vec![("feature_type", self.feature.as_ref().map(ToString::to_string))];
        let pages = Pages {
            endpoint: &endpoint,
            path: format!("{}/history", path(&self.tenant)),
            items: "history",
            parameters,
        };
        let row = |entry: &Value| {
            let what = if entry["feature_type"].is_null() {
                "timezone and labels".into()
            } else {
                shown(&entry["feature_type"])
            };
            [
                shown(&entry["at"]),
                shown(&entry["actor"]),
                what,
                shown(&entry["version"]),
                shown(&entry["after"]),
            ]
        };
        pages.print(output, self.limit, ["AT", "BY", "WHAT", "VERSION", "THEN"], row).await
    }
}

impl Erase {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        if !self.yes {
            let text = format!(
                "nothing brings {:?} back once erased; --yes does it",
                self.tenant.as_str()
            );
            return Err(WrongInput(text).into());
        }
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        let receipt = endpoint.delete(&path(&self.tenant)).await?;
        match output {
            Output::Json => print_line(&receipt)?,
            Output::Text => writeln!(
                io::stdout(),
                "erased at {}: {} preferences, {} entries of the history; the number {} stands \
                 where the name stood",
                shown(&receipt["erased_at"]),
                shown(&receipt["preferences"]),
                shown(&receipt["history_entries"]),
                shown(&receipt["number"]),
            )?,
        }
        Ok(())
    }
}

impl Link {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        // A link is signed and not stored.
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let request = json!({"expires_in": self.expires_in});
        let made: Value = endpoint
            .send_json(Method::POST, &format!("{}/links", path(&self.tenant)), &request)
            .await?;
        match output {
            Output::Json => print_line(&made)?,
            Output::Text => {
                writeln!(io::stdout(), "{}", shown(&made["token"]))?;
                eprintln!("good until {}", shown(&made["expires_at"]));
            }
        }
        Ok(())
    }
}

fn labels(labels: &Value) -> String {
    let labels: Vec<_> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}:{}", shown(value)))
        .collect();
    if labels.is_empty() { "-".into() } else { labels.join(" ") }
}

fn path(tenant: &TenantId) -> String {
    format!("/tenants/{}", segment(tenant.as_str()))
}
