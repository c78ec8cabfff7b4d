//! What a follower of the feed learns.

use cohort_preferences::ChangePage;
use jiff::Timestamp;

use crate::error::ClientError;

/// What a follower of the feed learns.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// A page of the feed. Without changes it says that there are none, and moves
    /// `complete_until`.
    Page {
        /// The cursor behind which it begins.
        since: String,
        /// The changes behind it, and the cursor behind those.
        page: ChangePage,
    },
    /// Changes were missed: the feed no longer knew the cursor (F7). What is known must be read
    /// anew, in full; the stream goes on at a cursor that was taken before this was said, so that
    /// reading now misses nothing.
    Resynchronise {
        /// The cursor at which the stream goes on.
        next: String,
        /// Every change stamped at or before this instant is before that cursor.
        complete_until: Timestamp,
    },
    /// The feed cannot be read at the moment, and why. Nothing is lost, and it is tried again.
    Interrupted(ClientError),
}
