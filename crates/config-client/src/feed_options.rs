//! How the feed is followed.

use std::time::Duration;

/// How the feed is followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeedOptions {
    /// How often to poll where events are not pushed.
    pub(crate) poll_interval: Duration,
    /// After how much silence a connection counts as dead.
    pub(crate) longest_silence: Duration,
}
