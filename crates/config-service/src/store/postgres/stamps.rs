//! When the state as of an instant is settled (M1), for all processes that write.
//!
//! A writer holds the row `head` until its commit, and takes stamps after the one that stands
//! there. A read as of T therefore raises that stamp to T (`pass`). This waits for the writer that
//! holds the row, and every stamp that is taken afterwards, in any process, is later than T.
//!
//! ```text
//! clock ≥ T ─► head.stamp ≥ T? ─ yes ─► read: every transaction stamped ≤ T is committed
//!                   └─ no ──► raise it to T, behind the writer that holds the row ─► read
//! ```
//!
//! A pass is a write and costs one. It therefore goes to the present at once, is remembered, and is
//! shared by those who wait in one process. Where every write is refused nothing can be passed: an
//! instant then counts as settled once it has come, which is true as long as no other process
//! writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cohort_database::statement::{execute, execute_all};
use cohort_database::{DatabaseError, FaultCause, Postgres};
use cohort_preferences::Clock;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::error::Result;
use crate::store::settled::{LONGEST_WAIT, come_to, not_settled, whole_micros};

/// The instants that are settled.
pub(super) struct Stamps {
    db: Postgres,
    clock: Arc<dyn Clock>,
    read_only: bool,
    /// No later transaction of any process is stamped at or before it, and all earlier ones have
    /// been committed.
    passed: AtomicI64,
    /// Held while one task passes an instant: the others then find it passed.
    passing: Mutex<()>,
}

impl Stamps {
    /// Makes stamps of which none is passed.
    pub(super) fn new(db: Postgres, clock: Arc<dyn Clock>, read_only: bool) -> Self {
        Self { db, clock, read_only, passed: AtomicI64::new(i64::MIN), passing: Mutex::default() }
    }

    /// Notes a stamp that stands in the committed `head`.
    pub(super) fn has_passed(&self, stamp: Timestamp) {
        self.passed.fetch_max(stamp.as_microsecond(), Ordering::SeqCst);
    }

    /// Waits until the state as of this instant is settled; fails after five seconds.
    pub(super) async fn wait_until_settled(&self, as_of: Timestamp) -> Result<()> {
        let deadline = Instant::now() + LONGEST_WAIT;
        come_to(as_of, &*self.clock, deadline).await?;
        if self.read_only || self.is_passed(as_of) {
            return Ok(());
        }
        let _passing =
            timeout_at(deadline, self.passing.lock()).await.map_err(|_elapsed| not_settled())?;
        if self.is_passed(as_of) {
            return Ok(());
        }
        self.pass(whole_micros(self.clock.now()), deadline).await
    }

    /// Makes what is read from now on complete until now. If a writer holds `head`, it is complete
    /// until the newest commit instead: this function never waits.
    pub(super) async fn come_up(&self) -> Result<()> {
        let Ok(_passing) = self.passing.try_lock() else { return Ok(()) };
        let now = whole_micros(self.clock.now());
        if self.read_only || self.is_passed(now) {
            return Ok(());
        }
        let reader = self.db.read().await?;
        let pass =
            "WITH free AS (SELECT only_row FROM head WHERE stamp < $1 FOR UPDATE SKIP LOCKED)
             UPDATE head SET stamp = greatest(stamp, $1) FROM free WHERE head.only_row = \
             free.only_row";
        if execute(&*reader, pass, &[&now.as_microsecond()]).await? == 1 {
            self.has_passed(now);
        }
        Ok(())
    }

    fn is_passed(&self, instant: Timestamp) -> bool {
        instant.as_microsecond() <= self.passed.load(Ordering::SeqCst)
    }

    async fn pass(&self, now: Timestamp, deadline: Instant) -> Result<()> {
        let reader = self.db.read().await?;
        let patience = deadline.saturating_duration_since(Instant::now()).as_millis().max(1);
        let micros = now.as_microsecond();
        // Together they are one transaction, to which the setting is confined.
        let pass = format!(
            "SET LOCAL lock_timeout = {patience}; UPDATE head SET stamp = {micros} WHERE stamp < \
             {micros}"
        );
        match execute_all(&*reader, &pass).await {
            Ok(()) => {
                self.has_passed(now);
                Ok(())
            }
            Err(error) if error.cause() == FaultCause::Locked => Err(not_settled()),
            // Whether the stamp is raised matters to nobody: who asks again raises it.
            Err(DatabaseError::Unknown(cause)) => Err((*cause).into()),
            Err(error) => Err(error.into()),
        }
    }
}
