//! The change feed (F7, F8): readers wait here for what comes next.

use std::time::Duration;

use cohort_preferences::ChangePage;
use tokio::time::{Instant, sleep_until};

use super::bounds::bounded;
use super::config_service::ConfigService;
use crate::cursor::{Position, Since};
use crate::error::Result;
use crate::store::Store;

/// The most changes of a page, and how many it has if the request does not say.
const MOST_CHANGES: usize = 1_000;

/// Asks for a page of the feed.
pub(crate) struct ChangesRequest {
    /// The cursor as it was sent.
    pub(crate) since: Option<String>,
    /// How long to wait for a change if there is none.
    pub(crate) wait: Duration,
    /// At most so many changes.
    pub(crate) limit: Option<usize>,
}

impl ConfigService {
    /// Returns a page of the feed. While it would be empty, waits for a change until the time is
    /// over or the service closes.
    pub(crate) async fn changes(&self, request: ChangesRequest) -> Result<ChangePage> {
        let limit = bounded("limit", request.limit, MOST_CHANGES, MOST_CHANGES)?;
        let store = &*self.0.store;
        let since = store.incarnation().since(request.since.as_deref())?;
        let mut commits = store.commits();
        let mut closing = self.0.closing.subscribe();
        let deadline = Instant::now() + request.wait;
        let start = start_of(store, since).await?;
        loop {
            commits.mark_unchanged();
            let page = store.changes(start, limit).await?;
            if !page.changes.is_empty()
                || *closing.borrow_and_update()
                || Instant::now() >= deadline
            {
                return Ok(page);
            }
            tokio::select! {
                _committed = commits.changed() => {}
                _closing = closing.changed() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// Returns what this process counts of itself, with how late the feed is (F7) and how much
    /// room the database takes (F13), in the Prometheus text format.
    pub(crate) async fn metrics(&self) -> Result<String> {
        let store = &self.0.store;
        Ok(self.0.metrics.render(store.feed_lag().await?, store.disk_usage().await?))
    }

    /// Notes that a request was answered.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        self.0.metrics.answered(method, route, status, took);
    }
}

/// Returns the change behind which a reader of the feed starts.
async fn start_of(store: &dyn Store, since: Since) -> Result<Position> {
    match since {
        Since::Oldest => store.oldest_kept().await.map(Position::from),
        Since::Now => store.newest_change().await.map(Position::from),
        Since::Change(position) => Ok(position),
    }
}
