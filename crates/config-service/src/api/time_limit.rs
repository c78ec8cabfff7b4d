//! How long a request may take (F6). What waits for the database is bounded by itself; several
//! waits behind each other, as for a turn and then for a commit, are bounded here.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cohort_database::within_real_time;

use super::auth::BASE;
use super::error::ApiError;

/// Requests that somebody waits for: one statement that runs into its limit and the wait before it.
const INTERACTIVE: Duration = Duration::from_secs(15);

/// Long lists, and polls that may wait for half a minute by themselves.
const LIST: Duration = Duration::from_secs(45);

/// Handles a request; returns 503 if it takes too long.
pub(super) async fn limit(path: MatchedPath, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = path.as_str().strip_prefix(BASE).unwrap_or(path.as_str());
    let Some(longest) = longest(&method, route) else { return next.run(request).await };
    let may_write = method != Method::GET;
    let response = within_real_time(longest, next.run(request)).await;
    response.unwrap_or_else(|| ApiError::TooSlow { waited: longest, may_write }.into_response())
}

/// Returns how long a request to the route may take; `None` if it takes as long as there is to do,
/// each part of which has its own limit.
fn longest(method: &Method, route: &str) -> Option<Duration> {
    match (method.as_str(), route) {
        ("POST", "/preferences/import" | "/preferences/groups/check")
        | ("PUT", "/feature-types/{feature_type}") => None,
        (
            "GET",
            "/tenants"
            | "/preferences/changes"
            | "/preferences/groups"
            | "/all-tenants/timezones"
            | "/configs/{config_key}/all-tenants",
        ) => Some(LIST),
        (_, route) if is_list_of_groups(route) => Some(LIST),
        _ => Some(INTERACTIVE),
    }
}

fn is_list_of_groups(route: &str) -> bool {
    route.starts_with("/features/")
        || route.starts_with("/all-tenants/")
        || route.starts_with("/preferences/groups/")
        || route == "/preferences/batch-get"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_of_one_user_has_the_short_limit_and_an_import_none() {
        let put = "/tenants/{tenant_id}/preferences/{feature_type}";
        assert_eq!(longest(&Method::PUT, put), Some(INTERACTIVE));
        assert_eq!(longest(&Method::GET, "/preferences/groups"), Some(LIST));
        assert_eq!(longest(&Method::POST, "/preferences/groups/members"), Some(LIST));
        assert_eq!(longest(&Method::POST, "/preferences/import"), None);
    }
}
