//! The ledger's pulse: whether what is done now can be recorded afterwards (F5).
//!
//! ```text
//! records, claims, renewals ─► done ────► confirmed at … ─┐
//!                           └► failed ──► closed          ├─► may a call begin?
//! call, and nothing confirmed for a second ─► heartbeat ──┘
//! ```
//!
//! Nobody is called unless the ledger has confirmed a write within the last second. Work that goes
//! well confirms all the time, so that a call costs one look at a number. Where nothing else is
//! written, the call that wants to begin has a heartbeat written, one for all. A fault of the
//! database closes the way at once, and a write opens it; but while a result waits to be recorded
//! again, only its record does: a full disk may have room for a heartbeat and none for a record.
//!
//! What may fail: the heartbeat, or it may not come back; then it is tried again until it does, and
//! calls wait. Time is that of a clock which nobody sets, and which goes on while the process is
//! stopped: a process that wakes up does not take the silence for a confirmation.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohort_ledger::{Ledger, LedgerError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::clock::AgentClock;

/// For how long a confirmed write lets calls begin: less than F5 allows, so that a call which is
/// about to begin has time for its last look.
const CONFIRMS_FOR: Duration = Duration::from_secs(1);

/// How long a heartbeat is waited for before the ledger counts as silent, and the next is sent.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the ledger is left alone after a heartbeat that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Stands for "never" among the instants, and for a ledger that has failed since.
const UNCONFIRMED: u64 = 0;

/// What is known of the ledger's health.
pub(super) struct LedgerPulse {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    began: Instant,
    /// When a write was last confirmed, in milliseconds; [`UNCONFIRMED`] after a fault.
    confirmed_at: AtomicU64,
    /// Results that the ledger has refused and that wait to be recorded again.
    unrecorded: AtomicUsize,
    /// Why it takes no writes; `None` while it does, as far as is known.
    fault: Mutex<Option<String>>,
    /// Held by whoever writes a heartbeat.
    beating: tokio::sync::Mutex<()>,
    /// Told when a write was confirmed.
    confirmed: Notify,
}

/// A result that waits to be recorded again, until this is dropped.
pub(super) struct Unrecorded<'a>(&'a LedgerPulse);

impl LedgerPulse {
    pub(super) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn AgentClock>) -> Self {
        Self {
            ledger,
            clock,
            began: Instant::now(),
            confirmed_at: AtomicU64::new(UNCONFIRMED),
            unrecorded: AtomicUsize::new(0),
            fault: Mutex::default(),
            beating: tokio::sync::Mutex::default(),
            confirmed: Notify::new(),
        }
    }

    /// Returns once the ledger takes records: at once, if it has confirmed a write within the last
    /// second.
    pub(super) async fn until_confirmed(&self) {
        while !self.is_confirmed() {
            tokio::select! {
                biased;
                () = self.until_heard() => {}
                () = self.beat_in_turn() => {}
            }
        }
    }

    fn is_confirmed(&self) -> bool {
        let confirmed_at = self.confirmed_at.load(Ordering::Relaxed);
        confirmed_at != UNCONFIRMED
            && self.unrecorded.load(Ordering::Relaxed) == 0
            && self.now().saturating_sub(confirmed_at) <= CONFIRMS_FOR.as_millis() as u64
    }

    async fn until_heard(&self) {
        let mut heard = std::pin::pin!(self.confirmed.notified());
        heard.as_mut().enable();
        if !self.is_confirmed() {
            heard.await;
        }
    }

    /// Writes a heartbeat, unless somebody else has while this waited for the turn.
    async fn beat_in_turn(&self) {
        let _turn = self.beating.lock().await;
        if self.is_confirmed() {
            return;
        }
        match timeout(PATIENCE, self.ledger.prove_writable(self.clock.now())).await {
            Ok(beaten) => self.hear(&beaten),
            Err(_silence) => self.close(&"the database does not answer"),
        }
        if !self.is_confirmed() {
            sleep(PAUSE).await;
        }
    }

    /// Notes what a write has come to.
    pub(super) fn hear<T>(&self, written: &Result<T, LedgerError>) {
        match written {
            Ok(_) => self.confirm(),
            // Without a fault the database has answered, and has written nothing.
            Err(error) => error.fault().into_iter().for_each(|cause| self.close(&cause)),
        }
    }

    /// Notes that a result could not be recorded: until it is, no call begins.
    pub(super) fn unrecorded(&self) -> Unrecorded<'_> {
        self.unrecorded.fetch_add(1, Ordering::Relaxed);
        Unrecorded(self)
    }

    fn confirm(&self) {
        self.confirmed_at.store(self.now(), Ordering::Relaxed);
        self.open();
    }

    fn open(&self) {
        if !self.is_confirmed() {
            return;
        }
        if self.swap_fault(None).is_some() {
            tracing::info!("the ledger takes records again: calls go on");
        }
        self.confirmed.notify_waiters();
    }

    fn close(&self, cause: &dyn Display) {
        self.confirmed_at.store(UNCONFIRMED, Ordering::Relaxed);
        if self.swap_fault(Some(cause.to_string())).is_none() {
            tracing::warn!(%cause, "the ledger takes no records: no call begins until it does");
        }
    }

    fn swap_fault(&self, fault: Option<String>) -> Option<String> {
        let mut present =
            self.fault.lock().expect("the text is swapped by code that does not panic");
        std::mem::replace(&mut *present, fault)
    }

    /// Milliseconds since the beginning, from 1 on.
    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64 + 1
    }
}

impl Drop for Unrecorded<'_> {
    fn drop(&mut self) {
        self.0.unrecorded.fetch_sub(1, Ordering::Relaxed);
        self.0.open();
    }
}
