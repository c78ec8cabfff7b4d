//! How far an import is, in a small file beside the one that is imported.
//!
//! The file is used only for the same input (size and beginning) and the same Config Database: it
//! keeps the feed's position at the beginning, and a database that does not know that position is
//! another one, or was restored (F7, F11).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::source::Fingerprint;
use super::summary::Summary;
use crate::endpoint::{Endpoint, query};
use crate::failure::wrong_input;

/// How far an import is. The default is at its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    /// The line of the last result.
    pub(super) line: u64,
    /// What became of the lines so far.
    pub(super) summary: Summary,
    /// How many bytes the report has by then.
    pub(super) report_bytes: u64,
    /// The feed's position when the import began; `None` if it may not be asked for, and then
    /// nothing is resumed.
    pub(super) position: Option<String>,
}

/// Where an import notes how far it is.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    fingerprint: Fingerprint,
}

#[derive(Serialize, Deserialize)]
struct Written {
    file: Fingerprint,
    #[serde(rename = "left")]
    done: Done,
}

impl StateFile {
    /// Returns the state file of this input, in its own folder or in another one.
    pub(super) fn of(
        file: &Path,
        folder: Option<&Path>,
        fingerprint: Fingerprint,
    ) -> anyhow::Result<Self> {
        let name = file.file_name().with_context(|| format!("{} has no name", file.display()))?;
        let mut name = name.to_owned();
        name.push(".cohort-progress");
        let path = match folder {
            Some(folder) if !folder.is_dir() => {
                return Err(wrong_input(format!("--state: {} is no folder", folder.display())));
            }
            Some(folder) => folder.join(name),
            None => file.with_file_name(name),
        };
        Ok(Self { path, fingerprint })
    }

    /// Reads how far the import was; `None` if it never began, or if the input or the Config
    /// Database is another one.
    pub(super) async fn read(&self, endpoint: &Endpoint) -> anyhow::Result<Option<Done>> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("cannot read {}; --restart does without", self.path.display())
                });
            }
        };
        let Ok(Written { file, done }) = serde_json::from_slice(&text) else { return Ok(None) };
        let is_same = file == self.fingerprint && knows(endpoint, done.position.as_deref()).await?;
        if !is_same {
            eprintln!(
                "{} is of another file or another Config Database: beginning anew",
                self.path.display()
            );
        }
        Ok(is_same.then_some(done))
    }

    /// Replaces what the file says, whole or not at all.
    pub(super) fn write(&self, done: &Done) -> anyhow::Result<()> {
        let written = Written { file: self.fingerprint.clone(), done: done.clone() };
        let mut next = self.path.clone().into_os_string();
        next.push(".new");
        let write = || {
            let mut file = std::fs::File::create(&next)?;
            file.write_all(&serde_json::to_vec(&written)?)?;
            std::fs::rename(&next, &self.path)
        };
        write().with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Removes the file, if there is one: the import is through.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| {
                    format!("everything is imported, but {} cannot be removed", self.path.display())
                })
            }
            _gone => Ok(()),
        }
    }
}

/// Returns the feed's position now; `None` if this key may not read it.
pub(super) async fn position_of(endpoint: &Endpoint) -> Option<String> {
    let page: Value = endpoint
        .get_json(&query("/preferences/changes", [("since_id", Some("now".into()))]))
        .await
        .ok()?;
    Some(page["next"].as_str()?.to_owned())
}

async fn knows(endpoint: &Endpoint, position: Option<&str>) -> anyhow::Result<bool> {
    let Some(position) = position else { return Ok(false) };
    let path = query(
        "/preferences/changes",
        [("since_id", Some(position.to_owned())), ("limit", Some("1".into()))],
    );
    Ok(endpoint.find_json::<Value>(&path).await?.is_some())
}
