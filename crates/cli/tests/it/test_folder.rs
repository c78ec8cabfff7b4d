//! A folder of a test, and commands on the data folder in it.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Finished, cohort};

/// A folder that goes with its test; its data folder is `data`, served or not.
pub(crate) struct TestFolder(TempDir);

impl TestFolder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Returns a folder into whose data folder these lines are imported.
    pub(crate) fn with_lines(lines: &str) -> Self {
        let folder = Self::new();
        folder.run_with(&["import", "-"], lines);
        folder
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        text(&self.0.path().join(name)).to_owned()
    }

    /// Writes a file, and returns its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("written");
        path
    }

    /// Runs a command on the data folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with(arguments, "")
    }

    /// Runs a command on the data folder, with this standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Finished {
        cohort(&[arguments, &["--data", text(&self.data())]].concat(), input)
    }

    /// Returns the lines that a command prints, which must succeed.
    #[track_caller]
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout.lines().map(str::to_owned).collect()
    }

    /// Returns the one line that a command prints, which must succeed.
    #[track_caller]
    pub(crate) fn line(&self, arguments: &[&str]) -> String {
        let mut lines = self.lines(arguments);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    /// Returns the lines of JSON that a command prints, which must succeed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        self.lines(&[arguments, &["--json"]].concat())
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}
