//! `cohort tenants`: the users, with everything that is kept of one (W3, W8).

use std::io::{self, Write};

use axum::http::Method;
use clap::{Args, Subcommand};
use cohort_preferences::{FEATURE_PREFERENCES, FeatureType, TenantId};
use serde_json::{Value, json};

use crate::config::Environment;
use crate::duration::DurationText;
use crate::endpoint::{Access, EndpointArgs, List as PagedList, Pages, segment};
use crate::failure::wrong_input;
use crate::output::{Output, print_line, shown};
use crate::table::table;

pub(super) const EXAMPLE: &str = "Example:
  cohort tenants history user123 --data ./data";

const LIST_EXAMPLE: &str = r#"Example:
  cohort tenants list --label plan:pro --data ./data

With --json each user is a line {"tenant_id", "created_at", "timezone", "labels"}, all of them
unless --limit is given."#;

const SHOW_EXAMPLE: &str = r#"Example:
  cohort tenants show user123 --data ./data

With --json it is a line {"tenant_id", "created_at", "timezone", "labels", "preferences"}."#;

const HISTORY_EXAMPLE: &str = r#"Example:
  cohort tenants history user123 --feature instagram_posts --data ./data

With --json each change is a line {"change", "at", "actor", "feature_type", "version", "before",
"after", "definition_version"}, newest first, all of them unless --limit is given."#;

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
    expires_in: DurationText,
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

/// Prints a list as lines of JSON, or as a table.
async fn print_pages<const N: usize>(
    pages: &Pages<'_>,
    output: Output,
    limit: Option<usize>,
    headings: [&str; N],
    row: impl Fn(&Value) -> [String; N],
) -> anyhow::Result<()> {
    if output == Output::Json {
        pages.each(limit.unwrap_or(usize::MAX), |item| print_line(&item)).await?;
        return Ok(());
    }
    let mut rows = Vec::new();
    let collect = |item: Value| {
        rows.push(row(&item));
        Ok(())
    };
    let has_more = pages.each(limit.unwrap_or(ROWS), collect).await?;
    let printed = rows.len();
    writeln!(io::stdout(), "{}", table(headings, &[], rows))?;
    if has_more {
        writeln!(io::stdout(), "the first {printed}; --limit shows more")?;
    }
    Ok(())
}

impl List {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let parameters = vec![
            ("q", self.q.clone()),
            ("label", self.label.clone()),
            ("as_of", self.as_of.clone()),
        ];
        let list = PagedList::by_cursor("tenants", PAGE);
        let pages = Pages { endpoint: &endpoint, list, path: "/tenants".into(), parameters };
        let row = |tenant: &Value| {
            [
                shown(&tenant["tenant_id"]),
                shown(&tenant["created_at"]),
                shown(&tenant["timezone"]),
                labels(&tenant["labels"]),
            ]
        };
        let headings = ["TENANT", "SINCE", "TIMEZONE", "LABELS"];
        print_pages(&pages, output, self.limit, headings, row).await
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
        output.print(&tenant, || in_words(&tenant))
    }
}

fn in_words(tenant: &Value) -> String {
    let text = |field: &str| shown(&tenant[field]);
    let head = format!(
        "{}, since {}, timezone {}, labels {}",
        text("tenant_id"),
        text("created_at"),
        text("timezone"),
        labels(&tenant["labels"])
    );
    let preferences = tenant["preferences"].as_object().into_iter().flatten();
    let preferences = preferences.map(|(feature, preference)| format!("{feature}: {preference}"));
    std::iter::once(head).chain(preferences).collect::<Vec<_>>().join("\n")
}

impl History {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let parameters = vec![("feature_type", self.feature.as_ref().map(ToString::to_string))];
        let pages = Pages {
            endpoint: &endpoint,
            list: PagedList::by_cursor("history", PAGE),
            path: format!("{}/history", path(&self.tenant)),
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
        let headings = ["AT", "BY", "WHAT", "VERSION", "THEN"];
        print_pages(&pages, output, self.limit, headings, row).await
    }
}

impl Erase {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        if !self.yes {
            let tenant = self.tenant.as_str();
            let text = format!("nothing brings {tenant:?} back once erased; --yes does it");
            return Err(wrong_input(text));
        }
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        let receipt = endpoint.delete(&path(&self.tenant)).await?;
        let text = |field: &str| shown(&receipt[field]);
        output.print(&receipt, || {
            format!(
                "erased at {}: {} preferences, {} entries of the history; the number {} stands \
                 where the name stood",
                text("erased_at"),
                text("preferences"),
                text("history_entries"),
                text("number"),
            )
        })
    }
}

impl Link {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        // A link is signed and not stored.
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let request = json!({"expires_in": self.expires_in.as_str()});
        let path = format!("{}/links", path(&self.tenant));
        let made: Value = endpoint.send_json(Method::POST, &path, &request).await?;
        output.print(&made, || shown(&made["token"]))?;
        if output == Output::Text {
            eprintln!("good until {}", shown(&made["expires_at"]));
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
