//! The change feed as server-sent events (F7, F8).
//!
//! ```text
//! change    id: position        data: the change
//! position  id: position        data: {"next", "complete_until"}    after each page, and while nothing happens
//! gone                          data: why                           the cursor is gone: list again; the stream ends
//! ```
//!
//! Each event carries the position behind it, so that a reader who comes back with `Last-Event-ID` misses nothing and sees
//! nothing twice. A stream ends after [`LIFE`], so that readers spread over servers that come and go, and when the service
//! closes; the reader comes back by itself after [`COME_BACK`].

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use cohort_preferences::ChangePage;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::error::ApiError;
use super::extract::QueryOf;
use crate::error::ConfigServiceError;
use crate::service::{ChangesRequest, ConfigService};

/// How long a stream lasts.
const LIFE: Duration = Duration::from_mins(10);

/// How long nothing is sent while nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// After which time a reader is to come back.
const COME_BACK: Duration = Duration::from_secs(1);

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// Only changes behind this position; `Last-Event-ID` goes before it.
    since_id: Option<String>,
}

/// What follows what was sent last.
enum Next {
    /// A page that was read and is to be sent.
    Page(ChangePage),
    /// What is behind this position is to be read.
    Behind(String),
    /// Nothing.
    End,
}

/// Streams the change feed
///
/// Server-sent events: `change` with the position as its id, `position` with `next` and `complete_until` after each page and
/// every 15 seconds while nothing happens, `gone` if the cursor is no longer kept. The stream ends after ten minutes; a reader
/// comes back with `Last-Event-ID`, which goes before `since_id`.
#[utoipa::path(get, path = "/preferences/changes/stream", tag = "Changes", operation_id = "stream_changes", params(Parameters),
    responses((status = 200, description = "Events", content_type = "text/event-stream", body = String),
        (status = 410, description = "The cursor is past what is kept, or of another incarnation of the database")))]
pub(super) async fn stream(
    State(service): State<ConfigService>,
    QueryOf(parameters): QueryOf<Parameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let since = last_event_id(&headers)?.or(parameters.since_id);
    let first = page(&service, since, Duration::ZERO).await?;
    let ends_at = Instant::now() + LIFE;
    let events = stream::unfold(Next::Page(first), move |next| {
        let service = service.clone();
        async move { events(&service, next, ends_at).await }
    });
    Ok(Sse::new(events.flat_map(stream::iter).map(Ok::<_, Infallible>)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.to_str().map_err(|_not_text| ApiError::Header("Last-Event-ID: expected the id of an event"))?;
    Ok(Some(text.to_owned()))
}

async fn page(service: &ConfigService, since: Option<String>, wait: Duration) -> Result<ChangePage, ConfigServiceError> {
    service.changes(ChangesRequest { since, wait, limit: None }).await
}

/// The next events to send, and what follows them; `None` at the end.
async fn events(service: &ConfigService, next: Next, ends_at: Instant) -> Option<(Vec<Event>, Next)> {
    let page = match next {
        Next::End => return None,
        Next::Page(page) => page,
        Next::Behind(position) => {
            let wait = HEARTBEAT.min(ends_at.saturating_duration_since(Instant::now()));
            match page(service, Some(position), wait).await {
                Ok(page) => page,
                Err(ConfigServiceError::CursorGone) => {
                    let gone = Event::default().event("gone").data(ConfigServiceError::CursorGone.to_string());
                    return Some((vec![gone], Next::End));
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a stream of changes ends");
                    return Some((vec![farewell()], Next::End));
                }
            }
        }
    };
    let is_over = Instant::now() >= ends_at || service.is_closing();
    let mut events = events_of(&page);
    if is_over {
        events.push(farewell());
    }
    Some((events, if is_over { Next::End } else { Next::Behind(page.next) }))
}

fn events_of(page: &ChangePage) -> Vec<Event> {
    let mut events: Vec<_> = page.changes.iter().map(|change| named("change", &change.id, &json!(change))).collect();
    if events.is_empty() {
        events.push(Event::default().comment("nothing new"));
    }
    events.push(named("position", &page.next, &json!({"next": page.next, "complete_until": page.complete_until})));
    events
}

fn named(event: &str, id: &str, data: &serde_json::Value) -> Event {
    Event::default().event(event).id(id).data(data.to_string())
}

fn farewell() -> Event {
    Event::default().retry(COME_BACK).comment("come back for more")
}
