//! The settings as `cohort doctor` shows them.

use cohort_config_service::DatabaseAddress;
use serde::Serialize;

use super::environment::Environment;

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
    /// Returns every setting, without secrets.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let key = self.config_service_api_key.as_ref().map(|_secret| "(set)".to_owned());
        let config_schema = self.name.as_deref().unwrap_or("cohort");
        let database = self.database_url.as_ref().map(|url| masked(url, config_schema));
        let ledger = self.ledger_url.as_ref().map(|url| masked(url, &self.ledger_schema(None)));
        vec![
            setting("CONFIG_SERVICE_URL", self.config_service_url.as_ref(), "-"),
            setting("CONFIG_SERVICE_API_KEY", key.as_ref(), "-"),
            setting("CONFIG_POLL_INTERVAL", self.poll_interval.as_ref(), "60"),
            setting("DATABASE_URL", database.as_ref(), "-"),
            setting("BATCH_MAX_CONCURRENT_ITEMS", self.max_concurrent_items.as_ref(), "25"),
            setting("BATCH_RETRY_LIMIT", self.retry_limit.as_ref(), "3"),
            setting("COHORT_AGENT_URL", self.agent_url.as_ref(), "-"),
            setting("COHORT_LEDGER_URL", ledger.as_ref(), "-"),
            setting("COHORT_LEDGER_RETENTION", self.ledger_retention.as_ref(), "400d"),
            setting("COHORT_SHUTDOWN_GRACE", self.shutdown_grace.as_ref(), "25s"),
            setting("COHORT_LISTEN", self.listen.as_ref(), "127.0.0.1:8000"),
            setting("COHORT_NAME", self.name.as_ref(), "cohort"),
            setting("COHORT_LOG", self.log.as_ref(), "info for services, warn for commands"),
        ]
    }
}

fn setting(name: &'static str, said: Option<&String>, default: &str) -> Setting {
    match said {
        Some(value) => Setting { name, value: value.clone(), source: "environment" },
        None => Setting { name, value: default.into(), source: "default" },
    }
}

/// Returns the address of a database without its password. What cannot be read may hold one too.
fn masked(url: &str, schema: &str) -> String {
    url.parse::<DatabaseAddress>().map_or_else(
        |_not_one| "(no address of a database)".to_owned(),
        |address| address.in_schema(schema).to_string(),
    )
}
