//! The demo's folder: made afresh each time, and never over somebody's data.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;

use crate::failure::wrong_input;
use crate::lifecycle::{DataDir, LOCK};
use crate::services::{CONFIG_DATABASE, LEDGER};
use crate::simulated::{SIMULATED, Simulated};

/// The job of the specification, as a file to look at.
pub(super) const BATCH_CONFIG: &str = "batch.json";

/// Where the texts go.
pub(super) const BRIEFS: &str = "briefs";

const TEMPLATE: &str = "brief.md.j2";

/// Takes the folder for this demo. What an earlier demo left in it is removed; a folder that holds
/// anything else is refused.
pub(super) async fn take(path: &Path, mark: Simulated) -> anyhow::Result<DataDir> {
    if is_used(path) && !path.join(SIMULATED).exists() {
        let text = format!(
            "{} is not empty and no demo made it; --dir takes another folder",
            path.display()
        );
        return Err(wrong_input(text));
    }
    let held = DataDir::lock(path).await?;
    // First of all, so that a demo that is killed leaves a folder which the next one knows.
    mark.write(path)?;
    remove_earlier(path).with_context(|| format!("cannot empty {}", path.display()))?;
    let files =
        [(BATCH_CONFIG, include_str!("batch.json")), (TEMPLATE, include_str!("brief.md.j2"))];
    for (name, text) in files {
        fs::write(path.join(name), text)
            .with_context(|| format!("cannot write {}", path.join(name).display()))?;
    }
    Ok(held)
}

/// Returns whether the folder holds anything but the lock that taking it leaves behind.
fn is_used(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() != LOCK))
}

fn remove_earlier(path: &Path) -> io::Result<()> {
    gone(fs::remove_dir_all(path.join(BRIEFS)))?;
    for database in [CONFIG_DATABASE, LEDGER] {
        for suffix in ["", "-wal", "-shm"] {
            gone(fs::remove_file(path.join(format!("{database}{suffix}"))))?;
        }
    }
    gone(fs::remove_file(path.join("admin.key")))
}

/// What was not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _gone => Ok(()),
    }
}
