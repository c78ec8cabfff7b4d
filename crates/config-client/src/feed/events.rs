//! The feed as server-sent events: changes, a position behind each page of them, and positions as
//! heartbeats.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cohort_preferences::{Change, ChangePage};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sse_stream::{Sse, SseByteStream};
use tokio::time::timeout;
use tokio_util::bytes::Bytes;

use super::order::check_order;
use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::request::Request;
use crate::response::header_text;

/// The most bytes of one page: several times a thousand changes.
const LONGEST_PAGE: usize = 16 * 1024 * 1024;

/// How soon the first page must come: the Config Database sends one at once. Where none comes, a
/// proxy keeps it back.
const FIRST_PAGE: Duration = Duration::from_secs(10);

/// When to come back if the Config Database does not say.
const COME_BACK: Duration = Duration::from_secs(1);

/// The longest wait that it may ask for.
const LONGEST_COME_BACK: Duration = Duration::from_secs(30);

/// Events that are being pushed.
pub(super) struct Events {
    request: String,
    pushed: BoxStream<'static, Result<Sse, sse_stream::Error>>,
    /// The bytes that came behind the last page.
    unread: Arc<AtomicUsize>,
    /// The cursor behind the last page.
    since: String,
    has_begun: bool,
    longest_silence: Duration,
    come_back: Duration,
}

/// A page of the feed, and where it begins.
#[derive(Debug)]
pub(super) struct FeedPage {
    pub(super) since: String,
    pub(super) page: ChangePage,
}

/// The data of the event behind each page.
#[derive(Deserialize)]
struct Position {
    next: String,
    complete_until: Timestamp,
}

impl ConfigDatabaseClient {
    /// Asks for the events behind a cursor; `is_resumed` if the cursor is the id of an event that
    /// came.
    pub(super) async fn open_events(
        &self,
        since: &str,
        is_resumed: bool,
    ) -> Result<Events, ClientError> {
        let request = Request::new(Method::GET, "/preferences/changes/stream")
            .query("since_id", since)
            .events(is_resumed.then_some(since));
        let (name, longest_silence) = (request.name(), self.feed.longest_silence);
        let waited = longest_silence.min(FIRST_PAGE);
        let opened = timeout(waited, self.transport.stream(&request, None)).await;
        let silent = |_elapsed| ClientError::Silent { request: name.clone(), waited };
        let response = opened.map_err(silent)??;
        let kind = header_text(&response, CONTENT_TYPE).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            let what = format!("expected a stream of events, got {kind:?}");
            return Err(ClientError::Garbage { request: name, what });
        }
        let unread = Arc::new(AtomicUsize::new(0));
        let pushed = SseByteStream::new(bounded(response, Arc::clone(&unread))).boxed();
        Ok(Events {
            request: name,
            pushed,
            unread,
            since: since.to_owned(),
            has_begun: false,
            longest_silence,
            come_back: COME_BACK,
        })
    }
}

/// The bytes of the response, until there are too many for a page.
fn bounded(
    response: Response,
    unread: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    response.bytes_stream().map_err(io::Error::other).and_then(move |piece| {
        let so_far = unread.fetch_add(piece.len(), Ordering::Relaxed) + piece.len();
        std::future::ready(if so_far > LONGEST_PAGE {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(piece)
        })
    })
}

impl Events {
    /// Whether a page has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// How long to stay away after the end.
    pub(super) fn come_back(&self) -> Duration {
        self.come_back
    }

    /// The next page; `None` if the Config Database has ended the stream.
    pub(super) async fn next_page(&mut self) -> Result<Option<FeedPage>, ClientError> {
        let mut changes = Vec::new();
        loop {
            let Some(event) = self.next_event().await? else {
                return if changes.is_empty() {
                    Ok(None)
                } else {
                    Err(self.broken_off(io::ErrorKind::UnexpectedEof.into()))
                };
            };
            match event.event.as_deref() {
                Some("change") => changes.push(self.read::<Change>(event)?),
                Some("position") => {
                    let Position { next, complete_until } = self.read(event)?;
                    return self.page(ChangePage { changes, next, complete_until }).map(Some);
                }
                Some("gone") => return Err(ClientError::Gone { request: self.request.clone() }),
                // A newer service may send events that this reader does not know.
                _ => {}
            }
        }
    }

    async fn next_event(&mut self) -> Result<Option<Sse>, ClientError> {
        let waited = if self.has_begun {
            self.longest_silence
        } else {
            self.longest_silence.min(FIRST_PAGE)
        };
        match timeout(waited, self.pushed.next()).await {
            Err(_elapsed) => Err(ClientError::Silent { request: self.request.clone(), waited }),
            Ok(None) => Ok(None),
            Ok(Some(Ok(event))) => {
                self.come_back = event.retry.map_or(self.come_back, |millis| {
                    Duration::from_millis(millis).min(LONGEST_COME_BACK)
                });
                Ok(Some(event))
            }
            Ok(Some(Err(_))) if self.unread.load(Ordering::Relaxed) > LONGEST_PAGE => {
                Err(self.garbage(format!("more than {LONGEST_PAGE} bytes came without a position")))
            }
            Ok(Some(Err(sse_stream::Error::Body(source)))) => {
                Err(self.broken_off(io::Error::other(source)))
            }
            Ok(Some(Err(error))) => Err(self.garbage(format!("an event cannot be read: {error}"))),
        }
    }

    fn page(&mut self, page: ChangePage) -> Result<FeedPage, ClientError> {
        check_order(Some(&self.since), &page).map_err(|what| self.garbage(what))?;
        self.unread.store(0, Ordering::Relaxed);
        self.has_begun = true;
        let since = mem::replace(&mut self.since, page.next.clone());
        Ok(FeedPage { since, page })
    }

    fn read<T: DeserializeOwned>(&self, event: Sse) -> Result<T, ClientError> {
        let data = event.data.unwrap_or_default();
        serde_json::from_str(&data).map_err(|error| {
            self.garbage(format!(
                "the event {:?} is not what was asked for: {error}",
                event.event.unwrap_or_default()
            ))
        })
    }

    /// The error of a stream that ended before it began.
    pub(super) fn without_a_page(&self) -> ClientError {
        self.broken_off(io::ErrorKind::UnexpectedEof.into())
    }

    fn broken_off(&self, source: io::Error) -> ClientError {
        ClientError::BrokenOff { request: self.request.clone(), source: Arc::new(source) }
    }

    fn garbage(&self, what: String) -> ClientError {
        ClientError::Garbage { request: self.request.clone(), what }
    }
}
