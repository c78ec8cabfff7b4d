//! One page of the feed, waited for.

use std::time::Duration;

use cohort_preferences::{ChangeKind, ChangePage};
use reqwest::Method;

use super::order::check_order;
use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::request::Request;

/// The longest wait that the Config Database grants a poll.
const LONGEST_POLL: Duration = Duration::from_secs(30);

/// What a long poll may take longer than its wait.
const POLL_GRACE: Duration = Duration::from_secs(5);

impl ConfigDatabaseClient {
    /// Returns the changes after a cursor; waits up to `wait`, in whole seconds and at most 30, for
    /// the first (F7).
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
        let mut request = Request::new(Method::GET, "/preferences/changes")
            .timeout(wait + POLL_GRACE)
            .query("wait", wait.as_secs());
        if let Some(since) = since {
            request = request.query("since_id", since);
        }
        let answer = self
            .transport
            .retried(&request)
            .await
            .inspect_err(|error| self.distrust_cache_if_gone(error))?;
        let page: ChangePage = answer.read()?;
        check_order(since, &page).map_err(|what| answer.garbage(what))?;
        self.forget_changed(&page).await;
        Ok(page)
    }

    fn distrust_cache_if_gone(&self, error: &ClientError) {
        if matches!(error, ClientError::Gone { .. }) {
            self.cache.distrust_all();
        }
    }

    pub(super) async fn forget_changed(&self, page: &ChangePage) {
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
