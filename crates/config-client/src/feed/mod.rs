//! The change feed: one stretch of it, or followed for good (F7, F8).
//!
//! ```text
//!              ┌──────────── a page ────────────┐
//!              ▼                                │
//! connect ─► events are pushed ────────────────┘
//!    ▲          │ broken, silent, refused, garbage          410, or the event `gone`
//!    │          ▼                                                   │
//!    └─ pause ◄─ poll to the end                                    ▼
//!                                                    a new cursor, then "resynchronise"
//! ```
//!
//! * The place in the feed moves with whole pages only: what breaks off in the middle is read again
//!   from the page's beginning, so that nothing is lost and nothing is given out that was cut.
//! * Events are pushed with a heartbeat. Where none comes, the connection is taken for dead
//!   although it stands.
//! * After each failure the feed is polled once, and events are tried again after a pause. Pauses
//!   grow up to the poll interval while polling works, so that where events never get through, as
//!   behind a proxy that buffers, it is polled at that interval; and up to five seconds while
//!   nothing works.
//! * 401, 403 and a cursor that the Config Database cannot read end it: nobody is asked again and
//!   again who has said no.
//! * A page whose positions run backwards is no page of this feed and is not believed.
//!
//! Whatever is read has the tenants named in it dropped from the cache.

mod events;
mod follower;

use std::time::Duration;

use cohort_preferences::{ChangeKind, ChangePage, is_later_cursor};
use futures_util::{Stream, stream};
use jiff::Timestamp;
use reqwest::Method;

use self::follower::Follower;
use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::transport::Request;

/// The longest wait that the Config Database grants a poll.
const LONGEST_POLL: Duration = Duration::from_secs(30);

/// What a long poll may take longer than its wait.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// The cursor that means "from here on".
const NOW: &str = "now";

/// How the feed is followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeedOptions {
    /// How often to poll where events are not pushed.
    pub(crate) poll_interval: Duration,
    /// After how much silence a connection counts as dead.
    pub(crate) longest_silence: Duration,
}

/// What a follower of the feed learns.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// A stretch of the feed. Without changes it says that there are none, and moves
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

impl ConfigDatabaseClient {
    /// Follows the change feed from a cursor on (`"now"`: from here), for good: the stream ends
    /// only behind an error, which is one that asking again does not mend, such as
    /// [`ClientError::Denied`].
    ///
    /// Changes are pushed; where that does not work they are polled at the builder's
    /// `poll_interval`, until it works again. A change may come twice and never not at all. The
    /// stream does its work when it is polled, and may be dropped any time.
    pub fn follow_changes(
        &self,
        since: &str,
    ) -> impl Stream<Item = Result<FeedEvent, ClientError>> + Send + use<> {
        stream::unfold(Follower::new(self.clone(), since.to_owned()), Follower::next)
    }

    /// The changes after a cursor; waits up to `wait`, in whole seconds and at most 30, for the
    /// first (F7).
    ///
    /// `since` `None` starts at the oldest change kept, `"now"` at this instant. The tenants named
    /// are dropped from the cache. [`ClientError::Gone`] means that changes were missed: every
    /// document is confirmed before it is given out again.
    pub async fn get_preference_changes(
        &self,
        since: Option<&str>,
        wait: Duration,
    ) -> Result<ChangePage, ClientError> {
        let wait = wait.min(LONGEST_POLL);
        let mut request =
            Request::new(Method::GET, "/preferences/changes").timeout(wait + POLL_GRACE);
        request = request.query("wait", wait.as_secs());
        if let Some(since) = since {
            request = request.query("since_id", since);
        }
        let answer =
            self.transport.retried(&request).await.inspect_err(|error| self.note_if_gone(error))?;
        let page: ChangePage = answer.read()?;
        check_order(since, &page).map_err(|what| answer.garbage(what))?;
        self.forget_changed(&page).await;
        Ok(page)
    }

    fn note_if_gone(&self, error: &ClientError) {
        if matches!(error, ClientError::Gone { .. }) {
            self.cache.doubt_all();
        }
    }

    async fn forget_changed(&self, page: &ChangePage) {
        for change in &page.changes {
            match (&change.tenant_id, change.kind) {
                (Some(tenant), _) => self.cache.drop_tenant(tenant).await,
                (None, ChangeKind::Defaults) => {}
                // Whoever was erased, their document may be in the cache (W8).
                (None, ChangeKind::Set | ChangeKind::Deleted) => self.cache.drop_all(),
            }
        }
    }
}

/// Says what is wrong with a page that does not go on where it was asked to.
fn check_order(since: Option<&str>, page: &ChangePage) -> Result<(), String> {
    let mut last = since.filter(|since| *since != NOW);
    for position in page.changes.iter().map(|change| &change.id).chain([&page.next]) {
        if last.is_some_and(|last| is_later_cursor(last, position)) {
            return Err(format!(
                "the feed runs backwards, from {} to {position}",
                last.unwrap_or_default()
            ));
        }
        last = Some(position);
    }
    Ok(())
}
