//! Erasing from the ledger the users whom the Config Database has erased (W8).
//!
//! The ledger keeps a cursor of its own in the change feed for this, so that users are found who
//! were erased while no agent ran. From there the feed is read at the start, whenever a change
//! without a name was heard of, and once an hour. What may fail: the feed no longer reaches back to
//! the cursor; then the names in the ledger are compared with those that the Config Database knows.
//! A database of another incarnation, which was restored or is simply the wrong one, is not trusted
//! in this: nobody is erased by its word, for that cannot be taken back. Only a ledger that was
//! copied together with its Config Database, and says so, trusts that one once (F11).

use std::time::Duration;

use cohort_preferences::{TenantFilter, TenantMembersRequest, is_of_one_feed};

use super::{DynamicBatchScheduler, ScheduleError};
use crate::schedules::is_of_the_erased;
use crate::source::SourceError;

/// How often the feed is read for it in any case, so that the cursor never falls behind what the
/// feed keeps.
const AT_LEAST_EVERY: Duration = Duration::from_hours(1);

/// How long to wait after a fault.
const PAUSE: Duration = Duration::from_secs(30);

/// Names that are compared at once; the Config Database looks up no more in one request.
const NAMES_AT_ONCE: usize = 1_000;

impl DynamicBatchScheduler {
    /// Takes over erasures from now on.
    pub(super) async fn erase_forever(&self) {
        loop {
            if let Err(error) = self.take_over_erasures().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "who was erased is not taken over yet; it is tried again"
                );
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            tokio::select! {
                biased;
                () = self.feed.heard_of_an_erasure() => {}
                () = tokio::time::sleep(AT_LEAST_EVERY) => {}
            }
        }
    }

    /// Reads the feed from the ledger's own cursor to its end, and erases from the ledger those who
    /// were erased.
    pub(super) async fn take_over_erasures(&self) -> Result<(), ScheduleError> {
        let Some(mut cursor) = self.ledger.erased_until().await? else {
            // Whoever was erased before a ledger's first start has left no name in it.
            let start = self.source.changes("now", Duration::ZERO).await?;
            return Ok(self.ledger.erase(Vec::new(), start.next).await?);
        };
        loop {
            let page = match self.source.changes(&cursor, Duration::ZERO).await {
                Err(SourceError::Gone) => return self.erase_by_name(&cursor).await,
                page => page?,
            };
            if page.changes.is_empty() {
                return Ok(());
            }
            let erased: Vec<u64> = page
                .changes
                .iter()
                .filter(|change| is_of_the_erased(change))
                .filter_map(|change| change.number)
                .collect();
            self.ledger.erase(erased, page.next.clone()).await?;
            cursor = page.next;
        }
    }

    /// Erases everybody in the ledger who is not there any more.
    async fn erase_by_name(&self, cursor: &str) -> Result<(), ScheduleError> {
        let start = self.source.changes("now", Duration::ZERO).await?.next;
        let is_of_a_copy = self
            .ledger
            .recovery()
            .await?
            .is_some_and(|recovery| recovery.names_compared_at.is_none());
        if !is_of_one_feed(cursor, &start) && !is_of_a_copy {
            tracing::error!(
                "the Config Database is of another incarnation than the ledger has known: who was \
                 erased is not taken over from it"
            );
            return Ok(());
        }
        let (mut erased, mut after) = (Vec::new(), 0);
        loop {
            let named = self.ledger.named_tenants(after, NAMES_AT_ONCE).await?;
            let Some((last, _)) = named.last() else { break };
            after = *last;
            let filter = TenantFilter {
                tenant_ids: named.iter().map(|(_, name)| name.clone()).collect(),
                ..TenantFilter::default()
            };
            let request = TenantMembersRequest {
                filter,
                as_of: self.clock.now(),
                cursor: None,
                limit: Some(NAMES_AT_ONCE),
            };
            let there = self.source.tenants(&request).await?.members;
            erased.extend(
                named
                    .iter()
                    .map(|(number, _)| *number)
                    .filter(|number| there.iter().all(|member| member.number != *number)),
            );
        }
        self.ledger.erase(erased, start).await?;
        Ok(self.ledger.note_names_compared(self.clock.now()).await?)
    }
}
