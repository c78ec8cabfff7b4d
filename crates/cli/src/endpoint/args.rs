//! Where the service is, as the command line or the environment says it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::access::Access;
use super::client::Endpoint;
use super::in_process;
use crate::config::Environment;
use crate::failure::wrong_input;
use crate::lifecycle::{DataDir, read_admin_key};
use crate::services::BASE;

const URL_HELP: &str = "The service's address, such as http://127.0.0.1:8000/api/v1 [default: \
    CONFIG_SERVICE_URL; for what an agent knows, COHORT_AGENT_URL before it]; its key is \
    CONFIG_SERVICE_API_KEY";

/// Where the service is.
#[derive(Args)]
pub(crate) struct EndpointArgs {
    #[arg(long, value_name = "URL", help = URL_HELP)]
    url: Option<String>,
    /// The folder of `cohort up`, whether it runs or not
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
}

impl EndpointArgs {
    /// Returns the flags as they were given, each after a space.
    pub(crate) fn as_flags(&self) -> String {
        match (&self.data, &self.url) {
            (Some(data), _) => format!(" --data {}", data.display()),
            (None, Some(url)) => format!(" --url {url}"),
            (None, None) => String::new(),
        }
    }

    /// Finds the Config Database; nothing is asked of it yet.
    pub(crate) async fn connect(
        &self,
        environment: &Environment,
        access: Access,
    ) -> anyhow::Result<Endpoint> {
        let url = self.url.as_ref().or(environment.config_service_url.as_ref());
        self.reach(url, "CONFIG_SERVICE_URL", environment, access).await
    }

    /// Finds the agent, which may be where the Config Database is; nothing is asked of it yet.
    pub(crate) async fn connect_to_agent(
        &self,
        environment: &Environment,
        access: Access,
    ) -> anyhow::Result<Endpoint> {
        let url = self
            .url
            .as_ref()
            .or(environment.agent_url.as_ref())
            .or(environment.config_service_url.as_ref());
        self.reach(url, "COHORT_AGENT_URL", environment, access).await
    }

    async fn reach(
        &self,
        url: Option<&String>,
        variable: &str,
        environment: &Environment,
        access: Access,
    ) -> anyhow::Result<Endpoint> {
        if let Some(data) = &self.data {
            return connect_to_folder(data, access, environment).await;
        }
        let url = url.ok_or_else(|| {
            wrong_input(format!(
                "where is the service? Give --data DIR or --url URL, or set {variable}"
            ))
        })?;
        Endpoint::http(url, environment.config_service_api_key.as_deref())
    }
}

async fn connect_to_folder(
    data: &Path,
    access: Access,
    environment: &Environment,
) -> anyhow::Result<Endpoint> {
    let Some(holder) = DataDir::holder(data)? else {
        return in_process::open(data, access, environment).await;
    };
    let address = holder.address.with_context(|| {
        format!(
            "{} is in use by process {}, which does not listen: try again",
            data.display(),
            holder.pid
        )
    })?;
    let key = read_admin_key(data)?;
    Endpoint::http(&format!("http://{address}{BASE}"), key.as_deref())
}
