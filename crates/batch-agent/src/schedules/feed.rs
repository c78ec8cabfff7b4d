//! Following the Config Database's change feed (F7, F8).
//!
//! ```text
//! feed, as it grows ────────┐
//! due instant ──► sync ─────┼─► changes since the cursor ─┬─► schedules
//! attempt ──► confirm ──────┘                             └─► the log of who changed
//! ```
//!
//! There is one cursor, and whoever reads first advances it: a page is applied only if the cursor
//! still stands where the page begins, so that two readers never apply a change twice. The feed
//! that is followed does not know of the other readers: if a page of it overlaps what they have
//! read, or begins after a cursor that was set back, the rest is read from the cursor on. The log
//! tells the processor who has changed since it read a page of members (M3). It is bounded: for a
//! position that it has forgotten, everybody may have changed.
//!
//! What may fail: the network; then schedules go on as they are known (F4) and the processor is
//! told that it cannot rely on the log. The cursor, if the feed no longer knows it; then everything
//! is read anew (F7). While the feed cannot be read, [`ChangeFeed::fault`] says why.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cohort_config_client::FeedEvent;
use cohort_preferences::{Change, ChangeKind, ChangePage, FeatureType, TenantId, is_later_cursor};
use futures_util::stream::BoxStream;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::all::Schedules;
use super::change_log::{ChangeLog, LogPosition};
use crate::clock::AgentClock;
use crate::condition::in_full;
use crate::source::{PreferenceSource, SourceError};

/// How long the feed counts as up to date after it was read: half of what M3 allows, so that a call
/// that goes by it begins within the second (M2).
const FRESH: SignedDuration = SignedDuration::from_millis(500);

/// Follows the feed for the scheduler and the processor.
pub(crate) struct ChangeFeed {
    source: Arc<dyn PreferenceSource>,
    clock: Arc<dyn AgentClock>,
    schedules: Arc<Schedules>,
    state: Mutex<State>,
    reading: tokio::sync::Mutex<()>,
    changed: Notify,
    /// Told when a change without a name was applied.
    erased: Notify,
    /// Every change stamped at or before this instant has been applied.
    known: tokio::sync::watch::Sender<Timestamp>,
}

struct State {
    /// `None` before everything has been read, and from when the feed no longer knew it until
    /// everything is read anew.
    cursor: Option<String>,
    /// Whether everything has been read once.
    was_read: bool,
    /// When the feed was last read to its end.
    confirmed_at: Timestamp,
    /// How many readings for [`ChangeFeed::confirm`] have ended, well or not.
    ended: u64,
    /// Who changed since the log begins.
    log: ChangeLog,
    /// Why the feed cannot be read at the moment.
    fault: Option<String>,
    /// Since when.
    fault_since: Timestamp,
    /// How late the latest change was heard of.
    lag: SignedDuration,
}

impl ChangeFeed {
    pub(crate) fn new(
        source: Arc<dyn PreferenceSource>,
        clock: Arc<dyn AgentClock>,
        schedules: Arc<Schedules>,
    ) -> Self {
        let (never, lag) = (Timestamp::MIN, SignedDuration::ZERO);
        let state = State {
            cursor: None,
            was_read: false,
            confirmed_at: never,
            ended: 0,
            log: ChangeLog::default(),
            fault: None,
            fault_since: never,
            lag,
        };
        let (reading, changed, erased) =
            (tokio::sync::Mutex::new(()), Notify::new(), Notify::new());
        Self {
            source,
            clock,
            schedules,
            state: Mutex::new(state),
            reading,
            changed,
            erased,
            known: tokio::sync::watch::Sender::new(never),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state is changed by code that does not panic")
    }

    /// Follows from `cursor` on; everything before it is known. Positions in the log from before
    /// lose their meaning.
    pub(crate) fn start_at(&self, cursor: String, known_until: Timestamp) {
        let mut state = self.lock();
        state.log.forget();
        state.cursor = Some(cursor);
        state.was_read = true;
        self.known.send_replace(known_until);
    }

    /// Forgets from where to follow, until [`ChangeFeed::start_at`] says so.
    pub(crate) fn lose_cursor(&self) {
        self.lock().cursor = None;
    }

    /// Goes back to an earlier cursor: groups were read anew there, and later changes are not in
    /// them yet.
    pub(crate) fn rewind_to(&self, cursor: &str, complete_until: Timestamp) {
        let mut state = self.lock();
        if state.cursor.as_deref().is_some_and(|current| is_later_cursor(current, cursor)) {
            state.cursor = Some(cursor.to_owned());
            self.known.send_modify(|known| *known = complete_until.min(*known));
            state.confirmed_at = Timestamp::MIN;
        }
    }

    /// Every change stamped at or before this instant is in the schedules.
    pub(crate) fn known_until(&self) -> Timestamp {
        *self.known.borrow()
    }

    /// Returns once every change stamped at or before this instant is in the schedules.
    pub(crate) async fn until_known(&self, instant: Timestamp) {
        let mut known = self.known.subscribe();
        // It fails only without a sender, which lives as long as `self`.
        let _known = known.wait_for(|known| *known >= instant).await;
    }

    /// The log's present end.
    pub(crate) fn position(&self) -> LogPosition {
        self.lock().log.end(self.clock.now())
    }

    /// Which of these users may have changed their preference for a feature since a position: all
    /// of them, if there is none, or if the feed was not read to its end just now (M3).
    pub(crate) async fn changed_among(
        &self,
        feature: &FeatureType,
        since: Option<LogPosition>,
        tenants: &[&TenantId],
    ) -> Vec<TenantId> {
        let since = if self.confirm().await { since } else { None };
        let state = self.lock();
        let may_have_changed = |tenant: &&&TenantId| {
            since.is_none_or(|since| state.log.may_have_changed(feature, tenant, since))
        };
        tenants.iter().filter(may_have_changed).map(|tenant| (*tenant).clone()).collect()
    }

    /// Reads the feed to its end unless that was done just now, and notes if it cannot. Returns
    /// whether it could.
    async fn confirm(&self) -> bool {
        if self.is_fresh() {
            return true;
        }
        let ended = self.lock().ended;
        let _turn = self.reading.lock().await;
        // Who waited for the turn takes what came of whoever had it, success or not.
        if self.is_fresh() || self.lock().ended != ended {
            return self.is_fresh();
        }
        let read = self.read_to_end().await;
        self.lock().ended += 1;
        match &read {
            Ok(()) => self.note_reading(),
            // Everything is being read anew.
            Err(SourceError::Gone) => {}
            Err(error) => self.note_fault(error),
        }
        read.is_ok()
    }

    fn is_fresh(&self) -> bool {
        self.clock.now().duration_since(self.lock().confirmed_at).abs() <= FRESH
    }

    /// Reads the feed to its end.
    pub(crate) async fn sync(&self) -> Result<(), SourceError> {
        let _turn = self.reading.lock().await;
        self.read_to_end().await
    }

    async fn read_to_end(&self) -> Result<(), SourceError> {
        loop {
            let Some(cursor) = self.lock().cursor.clone() else {
                return Err(SourceError::Gone);
            };
            let asked_at = self.clock.now();
            let page = self.source.changes(&cursor, Duration::ZERO).await?;
            let is_end = page.changes.is_empty();
            self.take(&cursor, page);
            if is_end {
                self.lock().confirmed_at = asked_at;
                return Ok(());
            }
        }
    }

    /// The feed from the cursor on, as it grows (F8).
    pub(crate) fn events(
        &self,
    ) -> Result<BoxStream<'_, Result<FeedEvent, SourceError>>, SourceError> {
        let cursor = self.lock().cursor.clone().ok_or(SourceError::Gone)?;
        Ok(self.source.follow(cursor))
    }

    /// Takes in what the feed has told.
    pub(crate) async fn learn(&self, event: FeedEvent) -> Result<(), SourceError> {
        match event {
            FeedEvent::Page { since, page } => {
                self.note_reading();
                self.take_or_catch_up(&since, page).await
            }
            FeedEvent::Resynchronise { .. } => Err(SourceError::Gone),
            FeedEvent::Interrupted(error) => {
                self.note_fault(&error);
                Ok(())
            }
        }
    }

    async fn take_or_catch_up(&self, since: &str, page: ChangePage) -> Result<(), SourceError> {
        let next = page.next.clone();
        self.take(since, page);
        let is_behind =
            self.lock().cursor.as_deref().is_none_or(|cursor| is_later_cursor(&next, cursor));
        if is_behind { self.sync().await } else { Ok(()) }
    }

    /// Whether it knows from where to follow.
    pub(crate) fn is_following(&self) -> bool {
        self.lock().cursor.is_some()
    }

    /// Whether everything has been read once, so that the groups are known.
    pub(crate) fn was_read(&self) -> bool {
        self.lock().was_read
    }

    /// Tries to read the feed to its end, unless that was done within the last second, and notes
    /// whether it can be read. Without a cursor everything is being read anew, which says itself
    /// whether it can.
    pub(crate) async fn try_reading(&self) {
        if self.confirm().await {
            self.note_reading();
        }
    }

    /// Why the feed cannot be read at the moment; `None` while it can.
    pub(crate) fn fault(&self) -> Option<String> {
        self.lock().fault.clone()
    }

    /// How late the latest change was heard of, or for how long none can be.
    pub(crate) fn lag(&self) -> SignedDuration {
        let state = self.lock();
        if state.fault.is_some() {
            self.clock.now().duration_since(state.fault_since)
        } else {
            state.lag
        }
    }

    /// Notes why the feed cannot be read, and logs it once.
    pub(crate) fn note_fault(&self, error: &(dyn Error + 'static)) {
        let mut state = self.lock();
        if state.fault.replace(in_full(error)).is_none() {
            state.fault_since = self.clock.now();
            tracing::warn!(
                error,
                "the change feed cannot be read; what is known goes on, and it is tried again"
            );
        }
    }

    fn note_reading(&self) {
        if self.lock().fault.take().is_some() {
            tracing::info!("the change feed is read again");
        }
    }

    /// Tells whoever waits for a change that the schedules have changed.
    pub(crate) fn tell(&self) {
        self.changed.notify_one();
    }

    /// Returns once a change without a name has been applied since the last call (W8).
    pub(crate) async fn heard_of_an_erasure(&self) {
        self.erased.notified().await;
    }

    /// Returns once a change has been applied after this call began to wait.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Applies a page that begins at `cursor`, if no other reader has taken it already.
    fn take(&self, cursor: &str, page: ChangePage) {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.cursor.as_deref() != Some(cursor) {
            return;
        }
        for change in &page.changes {
            for (job_id, error) in self.schedules.apply(change, now) {
                tracing::warn!(%job_id, change = %change.id, %error,
                    "a preference cannot be scheduled");
            }
            state.log.note(change);
        }
        state.lag = page.changes.last().map_or(state.lag, |latest| now.duration_since(latest.at));
        self.known.send_modify(|known| *known = page.complete_until.max(*known));
        state.cursor = Some(page.next);
        if !page.changes.is_empty() {
            self.changed.notify_one();
        }
        if page.changes.iter().any(is_of_the_erased) {
            self.erased.notify_one();
        }
    }
}

/// Whether a change is that of a user who was erased since (W8): it names nobody.
pub(crate) fn is_of_the_erased(change: &Change) -> bool {
    change.tenant_id.is_none() && change.kind != ChangeKind::Defaults
}
