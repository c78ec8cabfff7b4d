//! The services' routers in this process, on the files of a folder that nobody serves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use cohort_batch_agent::{AgentClock, SimulatedClock, SystemClock};
use cohort_preferences::Clock;

use super::access::Access;
use super::client::Endpoint;
use super::request::bearer;
use crate::config::Environment;
use crate::failure::wrong_input;
use crate::lifecycle::{DataDir, admin_key, read_admin_key};
use crate::services::{
    CONFIG_DATABASE, OwnKey, client_at, open_config_service, open_ledger, registry_without_agent,
    router,
};
use crate::serving::Listening;
use crate::simulated::Simulated;

/// A free port that only this machine reaches.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Opens the databases of the folder: read-only to look; locked to change something, and made if
/// they are not there.
pub(super) async fn open(
    folder: &Path,
    access: Access,
    environment: &Environment,
) -> anyhow::Result<Endpoint> {
    match access {
        Access::Look => open_to_look(folder, environment, None).await,
        Access::LookAsAgent => {
            open_to_look(folder, environment, Some(Listening::at(LOOPBACK).await?)).await
        }
        Access::Change => open_to_change(folder, environment).await,
    }
}

/// Opens the databases read-only. To look as an agent does takes HTTP to the Config Database, which
/// is then served at this address of loopback.
async fn open_to_look(
    folder: &Path,
    environment: &Environment,
    listening: Option<Listening>,
) -> anyhow::Result<Endpoint> {
    let folder_text = folder.display();
    if !folder.join(CONFIG_DATABASE).exists() {
        let text = format!(
            "{folder_text} is no data folder: it holds no {CONFIG_DATABASE}; `cohort up --data \
             {folder_text}` makes one"
        );
        return Err(wrong_input(text));
    }
    let key = read_admin_key(folder)?;
    let key = key.with_context(|| {
        format!("{folder_text} holds no admin.key; `cohort up --data {folder_text}` makes one")
    })?;
    let (clock, only_to_look) = (clock_of(folder)?, "opened to look");
    let config = open_config_service(
        folder,
        Arc::clone(&clock) as Arc<dyn Clock>,
        Some(only_to_look.into()),
    )
    .await?;
    let registry = registry_without_agent(
        open_ledger(folder, true)?,
        clock,
        environment.max_concurrent_items()?,
    );
    let mut registry = registry.read_only(only_to_look.into());
    let mut serving = None;
    if let Some(listening) = listening {
        registry = registry.asking(Arc::new(client_at(listening.address, &key)?));
        serving = Some(listening.serve(config.router()));
    }
    let router = router(&config, registry, Arc::new(OwnKey(key.clone())));
    Ok(Endpoint::InProcess { router, key: bearer(&key)?, _held: None, _serving: serving })
}

/// Returns the clock of the folder: a simulated one is looked at as of its end.
fn clock_of(folder: &Path) -> anyhow::Result<Arc<dyn AgentClock>> {
    Ok(match Simulated::read(folder)? {
        Some(simulated) => Arc::new(SimulatedClock::starting_at(simulated.end)),
        None => Arc::new(SystemClock),
    })
}

async fn open_to_change(folder: &Path, environment: &Environment) -> anyhow::Result<Endpoint> {
    if let Some(simulated) = Simulated::read(folder)? {
        return Err(wrong_input(format!("{}: {}", folder.display(), simulated.reason())));
    }
    let held = DataDir::lock(folder).await?;
    let config = open_config_service(folder, Arc::new(SystemClock), None).await?;
    let key = admin_key(&held, &config).await?;
    let registry = registry_without_agent(
        open_ledger(folder, false)?,
        Arc::new(SystemClock),
        environment.max_concurrent_items()?,
    );
    let router = router(&config, registry, Arc::new(OwnKey(key.clone())));
    Ok(Endpoint::InProcess { router, key: bearer(&key)?, _held: Some(held), _serving: None })
}
