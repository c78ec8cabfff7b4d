//! A follower of the feed: where it stands, and what it does next.

use std::mem;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::{Instant, sleep_until};

use super::event::FeedEvent;
use super::events::Events;
use super::order::NOW;
use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::resilience::{doubled, full_jitter};

/// The span of the pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest span while nothing works, unless it is polled more often than that.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Over which span readers come back whose streams broke at one moment, as when a service ends
/// without a word.
const COME_BACK_OVER: Duration = Duration::from_secs(3);

/// So many attempts in a row without an event are worth a line in the log.
const WORTH_TELLING: u32 = 3;

struct Follower {
    client: ConfigDatabaseClient,
    /// The cursor behind the last page that was given out; `None` if the feed no longer knew it.
    since: Option<String>,
    /// Whether that page came, so that the cursor is the id of an event.
    is_resumed: bool,
    /// Attempts to have events pushed since the last that came.
    failures: u32,
    attempt_began: Instant,
    state: State,
}

enum State {
    /// Events are to be asked for.
    Connecting,
    /// Events are pushed.
    Streaming(Events),
    /// The feed is to be polled.
    Polling,
    /// Nothing is to be done before this instant.
    Pausing { until: Instant },
    /// It will never go on.
    Over,
}

/// What there is to tell.
type News = Result<FeedEvent, ClientError>;

/// What a step has to tell, if anything.
type Told = Option<News>;

impl ConfigDatabaseClient {
    /// Follows the change feed from a cursor on (`"now"`: from here), for good: the stream ends
    /// only behind an error, which is one that asking again does not mend, such as
    /// [`ClientError::Denied`].
    ///
    /// Changes are pushed; where that does not work they are polled at the builder's
    /// `poll_interval`, until it works again. A change may come twice and never not at all. The
    /// stream does its work when it is polled, and may be dropped any time.
    pub fn follow_changes(
        &self,
        since: &str,
    ) -> impl Stream<Item = Result<FeedEvent, ClientError>> + Send + use<> {
        stream::unfold(Follower::new(self.clone(), since.to_owned()), Follower::next)
    }
}

impl Follower {
    fn new(client: ConfigDatabaseClient, since: String) -> Self {
        let (attempt_began, state) = (Instant::now(), State::Connecting);
        Self { client, since: Some(since), is_resumed: false, failures: 0, attempt_began, state }
    }

    /// Goes on until there is something to tell; `None` at the end.
    async fn next(mut self) -> Option<(News, Self)> {
        loop {
            let told = match mem::replace(&mut self.state, State::Over) {
                State::Over => return None,
                State::Connecting => self.connect().await,
                State::Streaming(events) => self.stream(events).await,
                State::Polling => self.poll().await,
                State::Pausing { until } => self.pause(until).await,
            };
            if let Some(told) = told {
                return Some((told, self));
            }
        }
    }

    async fn connect(&mut self) -> Told {
        self.attempt_began = Instant::now();
        let Some(since) = &self.since else {
            return self.start_over().await;
        };
        match self.client.open_events(since, self.is_resumed).await {
            Ok(events) => {
                self.state = State::Streaming(events);
                None
            }
            Err(error) => self.fall_back(error),
        }
    }

    async fn stream(&mut self, mut events: Events) -> Told {
        match events.next_page().await {
            Ok(Some(page)) => {
                self.failures = 0;
                self.state = State::Streaming(events);
                let event = FeedEvent::Page { since: page.since, page: page.page };
                Some(Ok(self.pass_on(event).await))
            }
            Ok(None) if events.has_begun() => {
                self.state =
                    State::Pausing { until: Instant::now() + full_jitter(events.come_back()) };
                None
            }
            Ok(None) => self.fall_back(events.without_a_page()),
            Err(error) => {
                // Whoever else lost the same service is about to ask as well.
                if events.has_begun() {
                    sleep_until(Instant::now() + full_jitter(COME_BACK_OVER)).await;
                }
                self.fall_back(error)
            }
        }
    }

    /// Polls after events have failed, unless the error says that polling will fail as well.
    fn fall_back(&mut self, error: ClientError) -> Told {
        self.failures = self.failures.saturating_add(1);
        if self.failures == WORTH_TELLING {
            tracing::warn!(%error, "changes are not pushed; they are polled until they are");
        } else {
            tracing::debug!(%error, "changes are not pushed; they are polled");
        }
        match error {
            ClientError::Gone { .. } => self.forget_cursor(),
            ClientError::Denied { .. } => Some(Err(error)),
            _ => {
                self.state = State::Polling;
                None
            }
        }
    }

    async fn poll(&mut self) -> Told {
        let since = self.since.clone().unwrap_or_else(|| NOW.to_owned());
        match self.client.get_preference_changes(Some(&since), Duration::ZERO).await {
            Ok(page) => {
                self.state = if page.changes.is_empty() {
                    self.until_the_next_poll()
                } else {
                    State::Polling
                };
                Some(Ok(self.pass_on(FeedEvent::Page { since, page }).await))
            }
            Err(ClientError::Gone { .. }) => self.forget_cursor(),
            Err(error) => Some(self.interrupted(error)),
        }
    }

    /// While polling works it is done at the poll interval, counted from attempt to attempt.
    fn until_the_next_poll(&self) -> State {
        let span =
            doubled(FIRST_PAUSE, self.failures.saturating_sub(1), self.client.feed.poll_interval);
        State::Pausing { until: self.attempt_began + span }
    }

    /// The feed does not know the cursor: whatever is done next begins with a new one.
    fn forget_cursor(&mut self) -> Told {
        self.client.cache.distrust_all();
        self.since = None;
        self.state = State::Connecting;
        None
    }

    /// Takes a new cursor, and only then says that everything must be read anew (F7).
    async fn start_over(&mut self) -> Told {
        match self.client.get_preference_changes(Some(NOW), Duration::ZERO).await {
            Ok(start) => {
                self.state = State::Connecting;
                let event = FeedEvent::Resynchronise {
                    next: start.next,
                    complete_until: start.complete_until,
                };
                Some(Ok(self.pass_on(event).await))
            }
            Err(error) => Some(self.interrupted(error)),
        }
    }

    /// Nothing works: tries again after a pause, or never where that cannot help.
    fn interrupted(&mut self, error: ClientError) -> News {
        if !error.is_outage() {
            return Err(error);
        }
        let cap = LONGEST_PAUSE.min(self.client.feed.poll_interval);
        let span = doubled(FIRST_PAUSE, self.failures.saturating_sub(1), cap);
        self.state = State::Pausing {
            until: Instant::now() + error.retry_after().unwrap_or_default() + full_jitter(span),
        };
        Ok(FeedEvent::Interrupted(error))
    }

    async fn pause(&mut self, until: Instant) -> Told {
        sleep_until(until).await;
        self.state = State::Connecting;
        None
    }

    /// Notes where the feed goes on behind an event.
    async fn pass_on(&mut self, event: FeedEvent) -> FeedEvent {
        match &event {
            FeedEvent::Page { page, .. } => {
                self.client.forget_changed(page).await;
                self.since = Some(page.next.clone());
                self.is_resumed = true;
            }
            FeedEvent::Resynchronise { next, .. } => self.since = Some(next.clone()),
            FeedEvent::Interrupted(_) => {}
        }
        event
    }
}
