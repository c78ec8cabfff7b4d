//! A tracing span per request: what is logged on the way names the request.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

/// Handles a request in a span of its own, with the route and not the path: ids of users stay out
/// of logs.
pub(super) async fn in_span(path: MatchedPath, request: Request, next: Next) -> Response {
    let span = tracing::info_span!("request", method = %request.method(), path = path.as_str());
    async {
        let response = next.run(request).await;
        tracing::debug!(status = response.status().as_u16(), "handled");
        response
    }
    .instrument(span)
    .await
}
