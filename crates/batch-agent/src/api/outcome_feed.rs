//! `/outcomes/feed`: outcomes as they are recorded, by long poll (F7).

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use problem_details::ProblemDetails;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::problem;
use crate::registry::JobRegistry;
use cohort_ledger::FeedPage;

/// The longest wait of a poll, in seconds.
const LONGEST_WAIT: u64 = 30;

/// The most outcomes of a page, but for the rest of a chunk.
const MOST_OUTCOMES: usize = 1_000;

/// How long another agent's outcomes may stay unnoticed: of its own an agent hears at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedQuery {
    /// Behind this place: from the oldest kept if not given, from here with `now`.
    cursor: Option<String>,
    /// How many seconds to wait for an outcome if there is none.
    #[serde(default)]
    wait: u64,
    /// About how many outcomes at most.
    limit: Option<usize>,
}

/// The outcomes behind a cursor; waits for one if there is none, until the wait is over or the
/// agent stops.
pub(super) async fn page(
    State(registry): State<JobRegistry>,
    query: Result<Query<FeedQuery>, QueryRejection>,
) -> Result<Json<FeedPage>, ProblemDetails> {
    let Query(FeedQuery { mut cursor, wait, limit }) =
        query.map_err(|rejection| problem::bad_query(&rejection))?;
    if wait > LONGEST_WAIT {
        return Err(problem::bad_wait(LONGEST_WAIT));
    }
    let deadline = Instant::now() + Duration::from_secs(wait);
    let limit = limit.unwrap_or(MOST_OUTCOMES).clamp(1, MOST_OUTCOMES);
    let mut recorded = registry.ledger().recorded();
    loop {
        recorded.mark_unchanged();
        let page = registry
            .ledger()
            .outcome_feed(cursor, limit)
            .await
            .map_err(|error| problem::of_ledger(&error))?;
        if !page.outcomes.is_empty() || Instant::now() >= deadline {
            return Ok(Json(page));
        }
        tokio::select! {
            Ok(()) = recorded.changed() => {}
            () = sleep_until(deadline.min(Instant::now() + LOOK_EVERY)) => {}
            () = registry.until_stopping() => return Ok(Json(page)),
        }
        // `now` was the place before the wait.
        cursor = Some(page.next);
    }
}
