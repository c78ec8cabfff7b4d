//! `/outcomes/feed`: outcomes as they are recorded, by long poll (F7).

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use cohort_ledger::FeedPage;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::problem::{Problem, Reply};
use crate::registry::JobRegistry;

/// The longest wait of a poll, in seconds.
const LONGEST_WAIT: u64 = 30;

/// The most outcomes of a page, but for the rest of a chunk.
const MOST_OUTCOMES: usize = 1_000;

/// How long another agent's outcomes may stay unnoticed: of its own an agent hears at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedQuery {
    /// The `next` of an earlier page, or `now`; without it, the page begins with the oldest outcome
    /// that is kept.
    cursor: Option<String>,
    /// How many seconds to wait for an outcome if there is none.
    #[serde(default)]
    wait: u64,
    /// About how many outcomes at most.
    limit: Option<usize>,
}

/// `GET /outcomes/feed` returns the outcomes after a cursor. If there is none, it waits for one
/// until the wait is over or the agent stops.
pub(super) async fn page(
    State(registry): State<JobRegistry>,
    query: Result<Query<FeedQuery>, QueryRejection>,
) -> Reply<FeedPage> {
    let Query(FeedQuery { mut cursor, wait, limit }) = query?;
    if wait > LONGEST_WAIT {
        return Err(wrong_wait());
    }
    let deadline = Instant::now() + Duration::from_secs(wait);
    let limit = limit.unwrap_or(MOST_OUTCOMES).clamp(1, MOST_OUTCOMES);
    let mut recorded = registry.ledger().recorded();
    loop {
        recorded.mark_unchanged();
        let page = registry.ledger().outcome_feed(cursor, limit).await?;
        if !page.outcomes.is_empty() || Instant::now() >= deadline {
            return Ok(Json(page));
        }
        tokio::select! {
            Ok(()) = recorded.changed() => {}
            () = sleep_until(deadline.min(Instant::now() + LOOK_EVERY)) => {}
            () = registry.until_stopping() => return Ok(Json(page)),
        }
        // `now` means the end of the feed as of the request, and not as of each look.
        cursor = Some(page.next);
    }
}

fn wrong_wait() -> Problem {
    Problem::wrong_query(format!("wait: expected 0 to {LONGEST_WAIT} seconds"))
}
