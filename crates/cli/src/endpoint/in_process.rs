//! The services' routers in this process, on the files of a folder that nobody serves.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use cohort_batch_agent::{AgentClock, SimulatedClock, SystemClock};
use cohort_preferences::Clock;

use super::{Access, Endpoint, bearer};
use crate::config::Environment;
use crate::failure::WrongInput;
use crate::lifecycle::{DataDir, admin_key, read_admin_key};
use crate::services::{CONFIG_DATABASE, OwnKey, open_config_service, open_ledger, registry_without_agent, router};
use crate::simulated::Simulated;

/// Opens the stores of the folder: read-only to look; to change something locked, and made if they are not there.
pub(super) async fn open(folder: &Path, access: Access, environment: &Environment) -> anyhow::Result<Endpoint> {
    match access {
        Access::Look => open_to_look(folder, environment).await,
        Access::Change => open_to_change(folder, environment).await,
    }
}

async fn open_to_look(folder: &Path, environment: &Environment) -> anyhow::Result<Endpoint> {
    let folder_text = folder.display();
    if !folder.join(CONFIG_DATABASE).exists() {
        let text = format!("{folder_text} is no data folder: it holds no {CONFIG_DATABASE}; `cohort up --data {folder_text}` makes one");
        return Err(WrongInput(text).into());
    }
    let key = read_admin_key(folder)?;
    let key = key.with_context(|| format!("{folder_text} holds no admin.key; `cohort up --data {folder_text}` makes one"))?;
    let (clock, only_to_look) = (clock_of(folder)?, "opened to look");
    let config = open_config_service(folder, Arc::clone(&clock) as Arc<dyn Clock>, Some(only_to_look.into())).await?;
    let registry = registry_without_agent(open_ledger(folder, true)?, clock, environment.max_concurrent_items()?);
    let router = router(&config, registry.read_only(only_to_look.into()), Arc::new(OwnKey(key.clone())));
    Ok(Endpoint::InProcess { router, key: bearer(&key)?, _held: None })
}

/// A simulated folder is looked at as of its end.
fn clock_of(folder: &Path) -> anyhow::Result<Arc<dyn AgentClock>> {
    Ok(match Simulated::read(folder)? {
        Some(simulated) => Arc::new(SimulatedClock::starting_at(simulated.end)),
        None => Arc::new(SystemClock),
    })
}

async fn open_to_change(folder: &Path, environment: &Environment) -> anyhow::Result<Endpoint> {
    if let Some(simulated) = Simulated::read(folder)? {
        return Err(WrongInput(format!("{}: {}", folder.display(), simulated.reason())).into());
    }
    let held = DataDir::lock(folder).await?;
    let config = open_config_service(folder, Arc::new(SystemClock), None).await?;
    let key = admin_key(&held, &config).await?;
    let registry = registry_without_agent(open_ledger(folder, false)?, Arc::new(SystemClock), environment.max_concurrent_items()?);
    let router = router(&config, registry, Arc::new(OwnKey(key.clone())));
    Ok(Endpoint::InProcess { router, key: bearer(&key)?, _held: Some(held) })
}
