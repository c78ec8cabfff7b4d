//! What became of the lines of an import.

use cohort_config_client::ImportStatus;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::wrong_input;
use crate::output::Output;

/// How many lines there were, and what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) lines: u64,
    stored: u64,
    unchanged: u64,
    refused: u64,
}

impl Summary {
    pub(super) fn count(&mut self, status: ImportStatus) {
        self.lines += 1;
        match status {
            ImportStatus::Stored => self.stored += 1,
            ImportStatus::Unchanged => self.unchanged += 1,
            ImportStatus::Refused | ImportStatus::Failed => self.refused += 1,
        }
    }

    /// Prints the counts, and fails if a line was refused.
    pub(super) fn print(&self, output: Output) -> anyhow::Result<()> {
        let Self { lines, stored, unchanged, refused } = self;
        output.print(&json!(self), || {
            format!("{lines} lines: {stored} stored, {unchanged} unchanged, {refused} refused")
        })?;
        if *refused > 0 {
            let text = format!("{refused} of {lines} lines are wrong and were not stored");
            return Err(wrong_input(text));
        }
        Ok(())
    }
}
