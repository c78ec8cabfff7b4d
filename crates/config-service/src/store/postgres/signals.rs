//! Tells that something was committed, by this process or another.
//!
//! Each commit sends a notification. It carries nothing: it only makes the others look at `head`,
//! which counts changes and admissions. One look is enough for several that come together, and none
//! is missed. Notifications are lost while the connection that hears them is down, so that
//! everybody looks once a second besides.

use std::sync::Mutex;

use cohort_database::SchemaName;
use tokio::sync::watch;

/// The channels by which commits are told.
pub(super) struct Signals {
    channel: String,
    commits: watch::Sender<u64>,
    admissions: watch::Sender<u64>,
    seen: Mutex<HeadCounts>,
}

/// What `head` counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct HeadCounts {
    /// Change rows.
    pub(super) change: i64,
    /// Changes of keys and definitions.
    pub(super) admissions: i64,
}

impl Signals {
    /// Makes signals that nobody has subscribed to.
    pub(super) fn new(schema: &SchemaName) -> Self {
        let channel = format!("cohort {schema} config");
        Self {
            channel,
            commits: watch::Sender::new(0),
            admissions: watch::Sender::new(0),
            seen: Mutex::default(),
        }
    }

    /// Returns the channel of the database on which notifications are sent.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Returns a counter that changes after every commit.
    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Returns a counter that changes whenever keys or definitions may have changed.
    pub(super) fn admissions(&self) -> watch::Receiver<u64> {
        self.admissions.subscribe()
    }

    /// Tells that this process has committed.
    pub(super) fn committed(&self, is_admission: bool) {
        raise(&self.commits);
        if is_admission {
            raise(&self.admissions);
        }
    }

    /// Compares what `head` counts with what it counted at the last look, and tells who waits.
    pub(super) fn compare(&self, now: HeadCounts) {
        let before = std::mem::replace(
            &mut *self.seen.lock().expect("nobody panics while holding what was seen"),
            now,
        );
        if before.change != now.change {
            raise(&self.commits);
        }
        if before.admissions != now.admissions {
            raise(&self.admissions);
        }
    }
}

fn raise(signal: &watch::Sender<u64>) {
    signal.send_modify(|count| *count += 1);
}
