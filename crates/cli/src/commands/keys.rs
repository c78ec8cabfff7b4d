//! `cohort keys`: who may ask the Config Database for what (W4).

use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::config::Environment;
use crate::duration::DurationText;
use crate::endpoint::{Access, EndpointArgs};
use crate::output::{Output, items, shown};
use crate::table::table;

pub(super) const EXAMPLE: &str = "Example:
  cohort keys create dashboard --scope read --data ./data";

const LIST_EXAMPLE: &str = r#"Example:
  cohort keys list --data ./data

With --json each key is a line {"id", "name", "scopes", "created_at", "created_by", "expires_at",
"revoked_at", "last_used_at", "uses"}."#;

const CREATE_EXAMPLE: &str = r#"Example:
  cohort keys create agent-1 --scope agent --expires-in 90d --data ./data

The key goes to standard output, this once: it is stored only as a hash.
With --json it is a line {"key", "id", "name", "scopes", "created_at", "created_by", "expires_at",
…}."#;

const REVOKE_EXAMPLE: &str = "Example:
  cohort keys revoke 3 --data ./data

With --json the key is a line as of `cohort keys list`.";

/// Make, list and revoke keys
#[derive(Subcommand)]
pub(crate) enum Keys {
    List(List),
    Create(Create),
    Revoke(Revoke),
}

/// List all keys, those that are revoked or have expired too
#[derive(Args)]
#[command(after_help = LIST_EXAMPLE)]
pub(crate) struct List {
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Make a key
#[derive(Args)]
#[command(after_help = CREATE_EXAMPLE)]
pub(crate) struct Create {
    /// Whose key it is; the history of what it writes shows this name
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may do; may be given more than once
    #[arg(long, value_enum, required = true)]
    scope: Vec<ScopeName>,
    /// For how long, such as 72h or 90d [default: until it is revoked]
    #[arg(long, value_name = "TIME")]
    expires_in: Option<DurationText>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Revoke a key: it is refused from now on
#[derive(Args)]
#[command(after_help = REVOKE_EXAMPLE)]
pub(crate) struct Revoke {
    /// Its number, as `cohort keys list` shows it
    #[arg(value_name = "ID")]
    id: u32,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeName {
    /// Look
    Read,
    /// Look, as somebody who helps users
    Support,
    /// Look and change preferences
    Write,
    /// Look, as the agent does
    Agent,
    /// Everything
    Admin,
}

impl Keys {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(environment, output).await,
            Self::Create(create) => create.run(environment, output).await,
            Self::Revoke(revoke) => revoke.run(environment, output).await,
        }
    }
}

impl List {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let list: Value = endpoint.get_json("/api-keys").await?;
        let keys = items(&list, "api_keys");
        output.print_list(keys, || table(HEADINGS, &[0, 5], keys.iter().map(row)))
    }
}

const HEADINGS: [&str; 7] =
    ["ID", "NAME", "SCOPES", "GOOD UNTIL", "CREATED BY", "USES", "LAST USED"];

fn row(key: &Value) -> [String; 7] {
    let scopes = key["scopes"]
        .as_array()
        .map(|scopes| scopes.iter().map(shown).collect::<Vec<_>>().join(" "));
    let until = if key["revoked_at"].is_null() {
        shown(&key["expires_at"])
    } else {
        format!("revoked {}", shown(&key["revoked_at"]))
    };
    let text = |field: &str| shown(&key[field]);
    [
        text("id"),
        text("name"),
        scopes.unwrap_or_default(),
        until,
        text("created_by"),
        text("uses"),
        text("last_used_at"),
    ]
}

impl Create {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        let made: Value = endpoint.send_json(Method::POST, "/api-keys", &self.request()).await?;
        output.print(&made, || shown(&made["key"]))?;
        if output == Output::Text {
            eprintln!("key {} of {:?}; it is not shown again", shown(&made["id"]), self.name);
        }
        Ok(())
    }

    fn request(&self) -> Value {
        let scopes: Vec<String> = self
            .scope
            .iter()
            .filter_map(|scope| Some(scope.to_possible_value()?.get_name().to_owned()))
            .collect();
        let mut request = json!({"name": self.name, "scopes": scopes});
        if let Some(lifetime) = &self.expires_in {
            request["expires_in"] = json!(lifetime.as_str());
        }
        request
    }
}

impl Revoke {
    async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        let revoked = endpoint.delete(&format!("/api-keys/{}", self.id)).await?;
        output.print(&revoked, || {
            format!("key {} of {} is refused from now on", self.id, shown(&revoked["name"]))
        })
    }
}
