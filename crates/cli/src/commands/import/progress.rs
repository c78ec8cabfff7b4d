//! How far an import is, as a bar on a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::progress::Progress;

/// How long an import goes on without a bar: most are through by then.
const QUIET: Duration = Duration::from_secs(1);

/// Counts the bytes that were read, and shows them once the import takes longer than [`QUIET`].
pub(super) struct BytesRead {
    started: Instant,
    size: Option<u64>,
    read: Arc<AtomicU64>,
    bar: Option<Progress>,
}

impl BytesRead {
    /// Counts from the beginning of an input of this size; `None` if that is not known.
    pub(super) fn of(size: Option<u64>) -> Self {
        Self { started: Instant::now(), size, read: Arc::default(), bar: None }
    }

    /// Returns where the bytes are counted that are read from this offset on.
    pub(super) fn reading_from(&mut self, offset: u64) -> Arc<AtomicU64> {
        self.read = Arc::new(AtomicU64::new(offset));
        Arc::clone(&self.read)
    }

    /// Shows how far it is now.
    pub(super) fn tick(&mut self) {
        if self.bar.is_none() && self.started.elapsed() > QUIET {
            self.bar = Some(Progress::of_bytes(self.size));
        }
        if let Some(bar) = &self.bar {
            bar.set(self.read.load(Ordering::Relaxed));
        }
    }

    /// Prints a line on standard error, above the bar.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.say(text),
            None => eprintln!("{text}"),
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish();
        }
    }
}
