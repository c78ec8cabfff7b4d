//! The environment: read here, once, and nowhere else.

/// What the environment says. An empty variable counts as not set.
pub(crate) struct Environment {
    /// `CONFIG_SERVICE_URL`: the Config Database, such as `http://config-service:8000/api/v1`.
    pub(crate) config_service_url: Option<String>,
    /// `CONFIG_SERVICE_API_KEY`: what opens it. A secret.
    pub(crate) config_service_api_key: Option<String>,
    /// `COHORT_LOG`: which logs are written.
    pub(crate) log: Option<String>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        Self {
            config_service_url: variable("CONFIG_SERVICE_URL"),
            config_service_api_key: variable("CONFIG_SERVICE_API_KEY"),
            log: variable("COHORT_LOG"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
