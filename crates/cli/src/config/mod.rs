//! The environment: read here, once, and nowhere else.

use std::net::SocketAddr;
use std::time::Duration;

use cohort_batch_agent::LedgerRetention;
use cohort_config_service::DatabaseAddress;
use jiff::SignedDuration;
use serde::Serialize;

use crate::failure::WrongInput;

/// How long work in hand may take after SIGTERM (F6).
const DEFAULT_GRACE: Duration = Duration::from_secs(25);

/// What the environment says. An empty variable counts as not set.
pub(crate) struct Environment {
    /// `CONFIG_SERVICE_URL`: the Config Database, such as `http://config-service:8000/api/v1`.
    pub(crate) config_service_url: Option<String>,
    /// `COHORT_AGENT_URL`: the agent, where it is not with the Config Database.
    pub(crate) agent_url: Option<String>,
    /// `CONFIG_SERVICE_API_KEY`: what opens it. A secret.
    pub(crate) config_service_api_key: Option<String>,
    /// `CONFIG_POLL_INTERVAL`: seconds between full readings of the groups.
    poll_interval: Option<String>,
    /// `BATCH_MAX_CONCURRENT_ITEMS`: users called and not yet answered at once.
    max_concurrent_items: Option<String>,
    /// `BATCH_RETRY_LIMIT`: attempts after the first.
    retry_limit: Option<String>,
    /// `DATABASE_URL`: the database of the Config Database. May hold a password.
    database_url: Option<String>,
    /// `COHORT_NAME`: the schema of this deployment, where there are schemas.
    name: Option<String>,
    /// `COHORT_LEDGER_URL`: the ledger of an agent of its own. May hold a password.
    ledger_url: Option<String>,
    /// `COHORT_LEDGER_RETENTION`: how long closed runs are kept.
    ledger_retention: Option<String>,
    /// `COHORT_SHUTDOWN_GRACE`: how long work in hand may take after SIGTERM.
    shutdown_grace: Option<String>,
    /// `COHORT_LISTEN`: where services listen.
    listen: Option<String>,
    /// `COHORT_LOG`: which logs are written.
    pub(crate) log: Option<String>,
}

/// A setting, and where its value comes from.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    /// The variable.
    pub(crate) name: &'static str,
    /// The value, masked where it is a secret.
    pub(crate) value: String,
    /// `environment` or `default`.
    pub(crate) source: &'static str,
}

impl Environment {
    pub(crate) fn read() -> Self {
        Self {
            config_service_url: variable("CONFIG_SERVICE_URL"),
            agent_url: variable("COHORT_AGENT_URL"),
            config_service_api_key: variable("CONFIG_SERVICE_API_KEY"),
            poll_interval: variable("CONFIG_POLL_INTERVAL"),
            max_concurrent_items: variable("BATCH_MAX_CONCURRENT_ITEMS"),
            retry_limit: variable("BATCH_RETRY_LIMIT"),
            database_url: variable("DATABASE_URL"),
            name: variable("COHORT_NAME"),
            ledger_url: variable("COHORT_LEDGER_URL"),
            ledger_retention: variable("COHORT_LEDGER_RETENTION"),
            listen: variable("COHORT_LISTEN"),
            shutdown_grace: variable("COHORT_SHUTDOWN_GRACE"),
            log: variable("COHORT_LOG"),
        }
    }

    /// Every setting, without secrets.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let setting = |name, said: &Option<String>, default: &str| match said {
            Some(value) => Setting { name, value: value.clone(), source: "environment" },
            None => Setting { name, value: default.into(), source: "default" },
        };
        let key = self.config_service_api_key.as_ref().map(|_secret| "(set)".to_owned());
        // What cannot be read may hold a password too.
        let masked = |url: &String, schema: &str| {
            let address = url.parse::<DatabaseAddress>();
            address.map_or_else(
                |_not_one| "(no address of a database)".to_owned(),
                |address| address.in_schema(schema).to_string(),
            )
        };
        let database = self
            .database_url
            .as_ref()
            .map(|url| masked(url, self.name.as_deref().unwrap_or("cohort")));
        let ledger = self.ledger_url.as_ref().map(|url| masked(url, &self.ledger_schema(None)));
        vec![
            setting("CONFIG_SERVICE_URL", &self.config_service_url, "-"),
            setting("CONFIG_SERVICE_API_KEY", &key, "-"),
            setting("CONFIG_POLL_INTERVAL", &self.poll_interval, "60"),
            setting("DATABASE_URL", &database, "-"),
            setting("BATCH_MAX_CONCURRENT_ITEMS", &self.max_concurrent_items, "25"),
            setting("BATCH_RETRY_LIMIT", &self.retry_limit, "3"),
            setting("COHORT_AGENT_URL", &self.agent_url, "-"),
            setting("COHORT_LEDGER_URL", &ledger, "-"),
            setting("COHORT_LEDGER_RETENTION", &self.ledger_retention, "400d"),
            setting("COHORT_SHUTDOWN_GRACE", &self.shutdown_grace, "25s"),
            setting("COHORT_LISTEN", &self.listen, "127.0.0.1:8000"),
            setting("COHORT_NAME", &self.name, "cohort"),
            setting("COHORT_LOG", &self.log, "info for services, warn for commands"),
        ]
    }

    /// The database of the Config Database: what a flag says, or else the environment.
    pub(crate) fn database(
        &self,
        url: Option<&str>,
        name: Option<&str>,
    ) -> anyhow::Result<DatabaseAddress> {
        let (source, url) =
            named(("--database-url", url), ("DATABASE_URL", self.database_url.as_deref()))
                .ok_or_else(|| {
                    WrongInput(
                        "which database? Give --database-url URL, or set DATABASE_URL".into(),
                    )
                })?;
        // The text may hold a password, so it is not repeated.
        let address: DatabaseAddress =
            url.parse().map_err(|error| WrongInput(format!("{source}: {error}")))?;
        Ok(match name.or(self.name.as_deref()) {
            Some(name) => address.in_schema(name),
            None => address,
        })
    }

    /// The database of an agent's ledger: what a flag says, or else the environment. On PostgreSQL
    /// it has a schema beside that of the Config Database.
    pub(crate) fn ledger(
        &self,
        url: Option<&str>,
        name: Option<&str>,
    ) -> anyhow::Result<DatabaseAddress> {
        let (source, url) =
            named(("--ledger-url", url), ("COHORT_LEDGER_URL", self.ledger_url.as_deref()))
                .ok_or_else(|| {
                    WrongInput(
                        "where is the ledger? Give --ledger-url URL, or set COHORT_LEDGER_URL"
                            .into(),
                    )
                })?;
        // The text may hold a password, so it is not repeated.
        let address: DatabaseAddress =
            url.parse().map_err(|error| WrongInput(format!("{source}: {error}")))?;
        Ok(address.in_schema(&self.ledger_schema(name)))
    }

    /// The schema of the ledger of the deployment with this name.
    fn ledger_schema(&self, name: Option<&str>) -> String {
        format!("{}_ledger", name.or(self.name.as_deref()).unwrap_or("cohort"))
    }

    /// How long closed runs are kept: what a flag says, or else the environment, or else 400 days.
    pub(crate) fn ledger_retention(&self, flag: Option<&str>) -> anyhow::Result<LedgerRetention> {
        let said = named(
            ("--ledger-retention", flag),
            ("COHORT_LEDGER_RETENTION", self.ledger_retention.as_deref()),
        );
        let Some((source, days)) = said else { return Ok(LedgerRetention::default()) };
        Ok(days.parse().map_err(|error| WrongInput(format!("{source}: {error}, got {days:?}")))?)
    }

    /// How long work in hand may take after SIGTERM: what a flag says, or else the environment, or
    /// else 25 s (F6).
    pub(crate) fn shutdown_grace(&self, flag: Option<&str>) -> anyhow::Result<Duration> {
        let said = named(
            ("--shutdown-grace", flag),
            ("COHORT_SHUTDOWN_GRACE", self.shutdown_grace.as_deref()),
        );
        let Some((source, text)) = said else { return Ok(DEFAULT_GRACE) };
        let grace =
            text.parse::<SignedDuration>().ok().and_then(|grace| Duration::try_from(grace).ok());
        grace.ok_or_else(|| {
            WrongInput(format!("{source}: expected a duration such as 25s, got {text:?}")).into()
        })
    }

    /// Where a service listens: what a flag says, or else the environment, or else port 8000 of
    /// loopback.
    pub(crate) fn listen(&self, flag: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
        let said = self.listen.as_deref().unwrap_or("127.0.0.1:8000");
        let expected = |_| {
            WrongInput(format!(
                "COHORT_LISTEN: expected an address such as 127.0.0.1:8000, got {said:?}"
            ))
        };
        Ok(flag.map_or_else(|| said.parse().map_err(expected), Ok)?)
    }

    /// How often the groups are read in full as a safety net; a minute if not set (F8).
    pub(crate) fn poll_interval(&self) -> anyhow::Result<Duration> {
        Ok(Duration::from_secs(
            whole_number("CONFIG_POLL_INTERVAL", self.poll_interval.as_deref())?.unwrap_or(60),
        ))
    }

    /// How many users may be called and not yet answered; 25 if not set (D3).
    pub(crate) fn max_concurrent_items(&self) -> anyhow::Result<usize> {
        Ok(whole_number("BATCH_MAX_CONCURRENT_ITEMS", self.max_concurrent_items.as_deref())?
            .unwrap_or(25) as usize)
    }

    /// Attempts after the first for jobs that do not say how many; 3 if not set, and 0 is none
    /// (D4).
    pub(crate) fn retry_limit(&self) -> anyhow::Result<u32> {
        let Some(text) = self.retry_limit.as_deref() else { return Ok(3) };
        text.parse().map_err(|_no_number| {
            WrongInput(format!("BATCH_RETRY_LIMIT: expected a whole number, got {text:?}")).into()
        })
    }
}

/// The first of two sources that says something, with its name.
fn named<'a>(
    flag: (&'static str, Option<&'a str>),
    variable: (&'static str, Option<&'a str>),
) -> Option<(&'static str, &'a str)> {
    [flag, variable].into_iter().find_map(|(name, text)| Some((name, text?)))
}

/// How this program was called.
pub(crate) fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "cohort".into())
}

/// A secret whose variable an operator's config names.
pub(crate) fn secret(name: &str) -> Option<String> {
    variable(name)
}

fn whole_number(name: &str, text: Option<&str>) -> anyhow::Result<Option<u64>> {
    let number =
        text.map(|text| text.parse().ok().filter(|number| *number > 0).ok_or(text)).transpose();
    number.map_err(|text| {
        WrongInput(format!("{name}: expected a whole number above 0, got {text:?}")).into()
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
