//! How long a request may take (F6). What waits for the ledger is bounded by itself; several waits
//! behind each other are bounded here.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cohort_database::within_real_time;

use super::problem::Problem;

/// Requests that somebody waits for: one statement that runs into its limit and the wait before it.
const INTERACTIVE: Duration = Duration::from_secs(15);

/// Polls that may wait for half a minute by themselves, and what looks through very much.
const LONG: Duration = Duration::from_secs(75);

/// Handles a request; returns 503 if it takes too long.
pub(super) async fn limit(path: MatchedPath, request: Request, next: Next) -> Response {
    let longest = longest(path.as_str());
    let may_write = request.method() != Method::GET;
    let response = within_real_time(longest, next.run(request)).await;
    response.unwrap_or_else(|| too_slow(longest, may_write).into_response())
}

fn longest(route: &str) -> Duration {
    let ends = ["/outcomes/feed", "/account", "/explain", "/batch-config", "/retry", "/trigger"];
    if ends.iter().any(|end| route.ends_with(end)) { LONG } else { INTERACTIVE }
}

fn too_slow(waited: Duration, may_write: bool) -> Problem {
    let end = if may_write {
        "it is not known whether this was stored: look before you ask again"
    } else {
        "ask again"
    };
    let detail = format!("this took longer than {} s, and was ended; {end}", waited.as_secs());
    Problem::unavailable("This took too long", detail)
}
