//! The values of settings: a flag wins over its variable, and a variable over the default.
//!
//! An error names the flag or the variable, and what it expects.

use std::net::SocketAddr;
use std::time::Duration;

use cohort_batch_agent::LedgerRetention;
use cohort_config_service::DatabaseAddress;
use cohort_preferences::parse_duration;

use super::environment::Environment;
use crate::failure::wrong_input;

/// How long work in hand may take after SIGTERM (F6).
const DEFAULT_GRACE: Duration = Duration::from_secs(25);

/// A text that was said, and by which flag or variable.
struct Said<'a> {
    source: &'static str,
    text: &'a str,
}

impl Environment {
    /// Returns the database of the Config Database.
    pub(crate) fn database(
        &self,
        url: Option<&str>,
        name: Option<&str>,
    ) -> anyhow::Result<DatabaseAddress> {
        let said = said(("--database-url", url), ("DATABASE_URL", self.database_url.as_deref()))
            .ok_or_else(|| {
                wrong_input("which database? Give --database-url URL, or set DATABASE_URL")
            })?;
        let address = said.database_address()?;
        Ok(match name.or(self.name.as_deref()) {
            Some(name) => address.in_schema(name),
            None => address,
        })
    }

    /// Returns the database of an agent's ledger. On PostgreSQL it has a schema beside that of the
    /// Config Database.
    pub(crate) fn ledger(
        &self,
        url: Option<&str>,
        name: Option<&str>,
    ) -> anyhow::Result<DatabaseAddress> {
        let said = said(("--ledger-url", url), ("COHORT_LEDGER_URL", self.ledger_url.as_deref()))
            .ok_or_else(|| {
            wrong_input("where is the ledger? Give --ledger-url URL, or set COHORT_LEDGER_URL")
        })?;
        Ok(said.database_address()?.in_schema(&self.ledger_schema(name)))
    }

    /// Returns the schema of the ledger of the deployment with this name.
    pub(super) fn ledger_schema(&self, name: Option<&str>) -> String {
        format!("{}_ledger", name.or(self.name.as_deref()).unwrap_or("cohort"))
    }

    /// Returns how long closed runs are kept; 400 days if nothing says so.
    pub(crate) fn ledger_retention(&self, flag: Option<&str>) -> anyhow::Result<LedgerRetention> {
        let said = said(
            ("--ledger-retention", flag),
            ("COHORT_LEDGER_RETENTION", self.ledger_retention.as_deref()),
        );
        let Some(Said { source, text }) = said else { return Ok(LedgerRetention::default()) };
        text.parse().map_err(|error| wrong_input(format!("{source}: {error}")))
    }

    /// Returns how long work in hand may take after SIGTERM; 25 s if nothing says so (F6).
    pub(crate) fn shutdown_grace(&self, flag: Option<&str>) -> anyhow::Result<Duration> {
        let said = said(
            ("--shutdown-grace", flag),
            ("COHORT_SHUTDOWN_GRACE", self.shutdown_grace.as_deref()),
        );
        let Some(Said { source, text }) = said else { return Ok(DEFAULT_GRACE) };
        let grace =
            parse_duration(text).map_err(|error| wrong_input(format!("{source}: {error}")))?;
        Ok(grace.unsigned_abs())
    }

    /// Returns where a service listens; port 8000 of loopback if nothing says so.
    pub(crate) fn listen(&self, flag: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
        if let Some(address) = flag {
            return Ok(address);
        }
        let text = self.listen.as_deref().unwrap_or("127.0.0.1:8000");
        text.parse().map_err(|_not_one| {
            wrong_input(format!(
                "COHORT_LISTEN: expected an address such as 127.0.0.1:8000, got {text:?}"
            ))
        })
    }

    /// Returns how often the groups are read in full as a safety net; a minute if not set (F8).
    pub(crate) fn poll_interval(&self) -> anyhow::Result<Duration> {
        let seconds = whole_number("CONFIG_POLL_INTERVAL", self.poll_interval.as_deref())?;
        Ok(Duration::from_secs(seconds.unwrap_or(60)))
    }

    /// Returns how many users may be called and not yet answered; 25 if not set (D3).
    pub(crate) fn max_concurrent_items(&self) -> anyhow::Result<usize> {
        let items =
            whole_number("BATCH_MAX_CONCURRENT_ITEMS", self.max_concurrent_items.as_deref())?;
        Ok(items.unwrap_or(25) as usize)
    }

    /// Returns the attempts after the first, for jobs that do not say how many; 3 if not set, and
    /// 0 is none (D4).
    pub(crate) fn retry_limit(&self) -> anyhow::Result<u32> {
        let Some(text) = self.retry_limit.as_deref() else { return Ok(3) };
        text.parse().map_err(|_no_number| {
            wrong_input(format!("BATCH_RETRY_LIMIT: expected a whole number, got {text:?}"))
        })
    }
}

impl Said<'_> {
    fn database_address(&self) -> anyhow::Result<DatabaseAddress> {
        // The text may hold a password, so it is not repeated.
        self.text.parse().map_err(|error| wrong_input(format!("{}: {error}", self.source)))
    }
}

/// Returns what the flag says, or else the variable.
fn said<'a>(
    flag: (&'static str, Option<&'a str>),
    variable: (&'static str, Option<&'a str>),
) -> Option<Said<'a>> {
    [flag, variable].into_iter().find_map(|(source, text)| Some(Said { source, text: text? }))
}

fn whole_number(name: &str, text: Option<&str>) -> anyhow::Result<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    text.parse().ok().filter(|number| *number > 0).map(Some).ok_or_else(|| {
        wrong_input(format!("{name}: expected a whole number above 0, got {text:?}"))
    })
}
