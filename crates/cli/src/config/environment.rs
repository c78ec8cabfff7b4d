//! What the environment says, as text.

/// What the environment says. An empty variable counts as not set.
pub(crate) struct Environment {
    /// `CONFIG_SERVICE_URL`: the Config Database, such as `http://config-service:8000/api/v1`.
    pub(crate) config_service_url: Option<String>,
    /// `COHORT_AGENT_URL`: the agent, where it is not with the Config Database.
    pub(crate) agent_url: Option<String>,
    /// `CONFIG_SERVICE_API_KEY`: what opens it. A secret.
    pub(crate) config_service_api_key: Option<String>,
    /// `CONFIG_POLL_INTERVAL`: seconds between full readings of the groups.
    pub(super) poll_interval: Option<String>,
    /// `BATCH_MAX_CONCURRENT_ITEMS`: users called and not yet answered at once.
    pub(super) max_concurrent_items: Option<String>,
    /// `BATCH_RETRY_LIMIT`: attempts after the first.
    pub(super) retry_limit: Option<String>,
    /// `DATABASE_URL`: the database of the Config Database. May hold a password.
    pub(super) database_url: Option<String>,
    /// `COHORT_NAME`: the schema of this deployment, where there are schemas.
    pub(super) name: Option<String>,
    /// `COHORT_LEDGER_URL`: the ledger of an agent of its own. May hold a password.
    pub(super) ledger_url: Option<String>,
    /// `COHORT_LEDGER_RETENTION`: how long closed runs are kept.
    pub(super) ledger_retention: Option<String>,
    /// `COHORT_SHUTDOWN_GRACE`: how long work in hand may take after SIGTERM.
    pub(super) shutdown_grace: Option<String>,
    /// `COHORT_LISTEN`: where services listen.
    pub(super) listen: Option<String>,
    /// `COHORT_LOG`: which logs are written.
    pub(crate) log: Option<String>,
}

impl Environment {
    /// Reads every variable that Cohort knows.
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
}

/// Returns how this program was called.
pub(crate) fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "cohort".into())
}

/// Returns a secret whose variable an operator's config names.
pub(crate) fn secret(name: &str) -> Option<String> {
    variable(name)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
