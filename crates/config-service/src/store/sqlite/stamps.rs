//! Stamps of commits, and when the state as of an instant is settled (M1).
//!
//! One writer takes stamps, one after another, and commits them in that order. `open_from` is the
//! first stamp of the transaction that is open. A read as of T first makes sure that no later stamp
//! can be at or before T (`pass`), then that no open transaction holds such a stamp, and only then
//! reads:
//!
//! ```text
//! pass(T) ─► open_from ≤ T? ─ yes ─► wait for the commit, look again
//!                 └─ no ──► read: every transaction stamped ≤ T is on disk
//! ```

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cohort_preferences::{Clock, MonotonicStamps};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::error::ConfigServiceError;
use crate::store::settled::{LONGEST_WAIT, come_to, just_before, not_settled, whole_micros};

/// Gives stamps and knows which are committed.
pub(super) struct Stamps {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    commits: watch::Sender<u64>,
}

struct State {
    stamps: MonotonicStamps,
    open_from: Option<Timestamp>,
}

impl Stamps {
    /// Continues after the newest stamp of the database.
    pub(super) fn after(newest: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::new(State { stamps: MonotonicStamps::after(newest), open_from: None }),
            commits: watch::Sender::new(0),
        }
    }

    /// Returns a new stamp for the transaction that is open.
    pub(super) fn take(&self) -> Timestamp {
        let now = whole_micros(self.clock.now());
        let mut state = self.lock();
        let stamp = state.stamps.next(now);
        state.open_from.get_or_insert(stamp);
        stamp
    }

    /// Notes that the open transaction has ended, by commit or rollback.
    pub(super) fn ended(&self) {
        self.lock().open_from = None;
        self.commits.send_modify(|commits| *commits += 1);
    }

    /// Returns how long the open transaction has been open by the clock, or zero if none is.
    pub(super) fn open_for(&self) -> Duration {
        let open_from = self.lock().open_from;
        let open_for = open_from.map(|open_from| self.clock.now().duration_since(open_from));
        open_for.and_then(|open_for| open_for.try_into().ok()).unwrap_or(Duration::ZERO)
    }

    /// Returns a counter that changes after every transaction.
    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Returns the latest instant that has settled: what is read from now on holds every change
    /// stamped at or before it.
    pub(super) fn settled_until(&self) -> Timestamp {
        let now = whole_micros(self.clock.now());
        let mut state = self.lock();
        state.stamps.pass(now);
        state.open_from.map_or(now, |open| now.min(just_before(open)))
    }

    /// Waits until the state as of this instant is settled; fails after five seconds.
    pub(super) async fn wait_until_settled(
        &self,
        as_of: Timestamp,
    ) -> Result<(), ConfigServiceError> {
        let deadline = Instant::now() + LONGEST_WAIT;
        come_to(as_of, &*self.clock, deadline).await?;
        let mut commits = self.commits();
        while !self.has_settled(as_of) {
            let committed = timeout_at(deadline, commits.changed()).await;
            if committed.is_err() {
                return Err(not_settled());
            }
        }
        Ok(())
    }

    fn has_settled(&self, as_of: Timestamp) -> bool {
        let mut state = self.lock();
        state.stamps.pass(as_of);
        state.open_from.is_none_or(|open| open > as_of)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the stamps")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            at(self.0.load(Ordering::SeqCst))
        }
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(micros).expect("in range")
    }

    fn stamps(now: i64) -> (Arc<Hand>, Arc<Stamps>) {
        let clock = Arc::new(Hand(AtomicI64::new(now)));
        let stamps = Stamps::after(at(0), clock.clone());
        (clock, Arc::new(stamps))
    }

    #[tokio::test]
    async fn no_stamp_falls_at_or_before_an_instant_that_was_read() {
        let (_, stamps) = stamps(100);
        stamps.wait_until_settled(at(100)).await.expect("the instant has come");
        assert_eq!(stamps.take(), at(101));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_waits_for_the_transaction_that_is_stamped_before_its_instant() {
        let (clock, stamps) = stamps(100);
        stamps.take();
        assert_eq!(stamps.settled_until(), at(99));
        clock.0.store(200, Ordering::SeqCst);
        let reader = tokio::spawn({
            let stamps = Arc::clone(&stamps);
            async move { stamps.wait_until_settled(at(150)).await }
        });
        tokio::task::yield_now().await;
        assert!(!reader.is_finished());
        stamps.ended();
        assert!(reader.await.expect("no panic").is_ok());
        assert_eq!(stamps.settled_until(), at(200));
    }

    #[tokio::test(start_paused = true)]
    async fn an_instant_that_does_not_come_is_given_up_after_five_seconds() {
        let (_, stamps) = stamps(100);
        let began = Instant::now();
        let error = stamps.wait_until_settled(at(10_000_000)).await.expect_err("the clock stands");
        assert!(matches!(error,
                ConfigServiceError::NotSettled { retry_after } if retry_after.as_secs() == 9));
        assert!(began.elapsed() >= LONGEST_WAIT && began.elapsed() < LONGEST_WAIT * 2);
    }
}
