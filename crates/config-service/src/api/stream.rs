//! The change feed as server-sent events (F7, F8).
//!
//! ```text
//! change    id: position   data: the change
//! position  id: position   data: {"next", "complete_until"}   after each page, and when idle
//! gone                     data: why                          list again; the stream ends
//! ```
//!
//! Each event carries the position behind it, so that a reader who comes back with `Last-Event-ID`
//! misses nothing and sees nothing twice. A stream ends after [`LIFE`], so that readers spread over
//! servers that come and go, and when the service closes; the reader comes back by itself after
//! [`COME_BACK`]. It also ends with the reader's key: nothing is sent that was read after the key
//! had been revoked or had expired (W4).

use std::convert::Infallible;
use std::sync::Arc;
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

use super::auth::let_look;
use super::error::ApiError;
use super::extract::QueryOf;
use crate::error::ConfigServiceError;
use crate::service::{ChangesRequest, ConfigService};

/// How long a stream lasts.
const LIFE: Duration = Duration::from_mins(10);

/// How long nothing is sent while nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Within which time a reader is to come back. All whose service ends get it at once, and pick a
/// point of it by chance.
const COME_BACK: Duration = Duration::from_secs(3);

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

/// Who reads a stream, and until when.
struct Reader {
    service: ConfigService,
    /// With the key, which may end before the stream does.
    headers: HeaderMap,
    ends_at: Instant,
}

/// Streams the change feed
///
/// Server-sent events: `change` with the position as its id, `position` with `next` and
/// `complete_until` after each page and every 15 seconds while nothing happens, `gone` if the
/// cursor is no longer kept. The stream ends after ten minutes; a reader comes back with
/// `Last-Event-ID`, which goes before `since_id`.
#[utoipa::path(get, path = "/preferences/changes/stream", tag = "Changes",
    operation_id = "stream_changes", params(Parameters),
    responses((status = 200, description = "Events", content_type = "text/event-stream",
        body = String),
        (status = 410,
            description = "The cursor is past what is kept, or of another incarnation of the \
                database")))]
pub(super) async fn stream(
    State(service): State<ConfigService>,
    QueryOf(parameters): QueryOf<Parameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let since = last_event_id(&headers)?.or(parameters.since_id);
    let first = page(&service, since, Duration::ZERO).await?;
    let ends_at = Instant::now() + LIFE;
    let reader = Arc::new(Reader { service, headers, ends_at });
    let events = stream::unfold(Next::Page(first), move |next| {
        let reader = Arc::clone(&reader);
        async move { reader.events(next).await }
    });
    Ok(Sse::new(events.flat_map(stream::iter).map(Ok::<_, Infallible>)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_not_text| ApiError::Header("Last-Event-ID: expected the id of an event"))?;
    Ok(Some(text.to_owned()))
}

async fn page(
    service: &ConfigService,
    since: Option<String>,
    wait: Duration,
) -> Result<ChangePage, ConfigServiceError> {
    service.changes(ChangesRequest { since, wait, limit: None }).await
}

impl Reader {
    /// Returns the next events to send and what follows them, or `None` at the end.
    async fn events(&self, next: Next) -> Option<(Vec<Event>, Next)> {
        let page = match next {
            Next::End => return None,
            Next::Page(page) => page,
            Next::Behind(position) => match self.page_behind(position).await {
                Ok(page) => page,
                Err(last) => return Some((last, Next::End)),
            },
        };
        let is_over = Instant::now() >= self.ends_at || self.service.is_closing();
        let mut events = events_of(&page);
        if is_over {
            events.push(farewell());
        }
        Some((events, if is_over { Next::End } else { Next::Behind(page.next) }))
    }

    /// Waits for the page behind a position and returns it, or the events that end the stream.
    async fn page_behind(&self, position: String) -> Result<ChangePage, Vec<Event>> {
        let wait = HEARTBEAT.min(self.ends_at.saturating_duration_since(Instant::now()));
        let page = match page(&self.service, Some(position), wait).await {
            Ok(page) => page,
            Err(ConfigServiceError::CursorGone) => {
                return Err(vec![
                    Event::default().event("gone").data(ConfigServiceError::CursorGone.to_string()),
                ]);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a stream of changes ends"
                );
                return Err(vec![farewell()]);
            }
        };
        match let_look(&self.service, &self.headers).await {
            Ok(()) => Ok(page),
            Err(_refused) => Err(vec![farewell()]),
        }
    }
}

fn events_of(page: &ChangePage) -> Vec<Event> {
    let mut events: Vec<_> =
        page.changes.iter().map(|change| named("change", &change.id, &json!(change))).collect();
    if events.is_empty() {
        events.push(Event::default().comment("nothing new"));
    }
    events.push(named(
        "position",
        &page.next,
        &json!({"next": page.next, "complete_until": page.complete_until}),
    ));
    events
}

fn named(event: &str, id: &str, data: &serde_json::Value) -> Event {
    Event::default().event(event).id(id).data(data.to_string())
}

fn farewell() -> Event {
    Event::default().retry(COME_BACK).comment("come back for more")
}
