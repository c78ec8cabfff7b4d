//! The services' routers in this process, on the files of a folder that nobody serves.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};

use super::{Access, Endpoint, bearer};
use crate::clock::HostClock;
use crate::failure::WrongInput;
use crate::lifecycle::{DataDir, read_admin_key};

/// The Config Database of a data folder.
const CONFIG_DATABASE: &str = "config.db";

/// Opens the stores of the folder: read-only to look; to change something locked, and made if they are not there.
pub(super) async fn open(folder: &Path, access: Access) -> anyhow::Result<Endpoint> {
    match access {
        Access::Look => open_to_look(folder).await,
        Access::Change => open_to_change(folder).await,
    }
}

async fn open_to_look(folder: &Path) -> anyhow::Result<Endpoint> {
    let folder_text = folder.display();
    if !folder.join(CONFIG_DATABASE).exists() {
        let text = format!("{folder_text} is no data folder: it holds no {CONFIG_DATABASE}; `cohort up --data {folder_text}` makes one");
        return Err(WrongInput(text).into());
    }
    let key =
        read_admin_key(folder)?.with_context(|| format!("{folder_text} holds no admin.key; `cohort up --data {folder_text}` makes one"))?;
    let service = open_config_service(folder, Some("opened to look".into())).await?;
    Ok(Endpoint::InProcess {
        router: router(&service),
        key: bearer(&key)?,
        _held: None,
    })
}

async fn open_to_change(folder: &Path) -> anyhow::Result<Endpoint> {
    let held = DataDir::lock(folder).await?;
    let service = open_config_service(folder, None).await?;
    let key = admin_key(&held, &service).await?;
    Ok(Endpoint::InProcess {
        router: router(&service),
        key: bearer(&key)?,
        _held: Some(held),
    })
}

/// The Config Database of the folder; `read_only` says why it takes no writes.
pub(crate) async fn open_config_service(folder: &Path, read_only: Option<String>) -> anyhow::Result<ConfigService> {
    let options = ConfigServiceOptions {
        path: folder.join(CONFIG_DATABASE),
        clock: Arc::new(HostClock),
        read_only,
    };
    ConfigService::open(options)
        .await
        .with_context(|| format!("cannot open {}", folder.join(CONFIG_DATABASE).display()))
}

/// The folder's admin key, made if the folder has none. Who may write the folder may do everything anyway.
pub(crate) async fn admin_key(held: &DataDir, service: &ConfigService) -> anyhow::Result<String> {
    if let Some(key) = read_admin_key(held.path())? {
        return Ok(key);
    }
    let key = service
        .create_key("admin", Scope::Admin)
        .await
        .context("cannot make an admin key")?;
    held.write_admin_key(&key)?;
    Ok(key)
}

/// All routes of the services of one folder.
fn router(config: &ConfigService) -> Router {
    config.router()
}
