//! The mark of a data folder that was made in simulated time: it is shown as it ended, and never
//! goes on.

use std::io;
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The mark's file in the data folder.
pub(crate) const SIMULATED: &str = "simulated.json";

/// When a simulation ended, on its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Simulated {
    /// The instant at which its clock stood last.
    pub(crate) end: Timestamp,
}

impl Simulated {
    /// Reads the folder's mark; `None` if the folder is real.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(SIMULATED);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("{} is not as it was written", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Marks the folder.
    pub(crate) fn write(self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(SIMULATED);
        std::fs::write(&path, serde_json::to_vec(&self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns why nothing can be changed, in the words that every writer gets.
    pub(crate) fn reason(self) -> String {
        format!(
            "this folder was made by a simulation that ended at {}; it can be looked at, not \
             changed",
            self.end
        )
    }
}
