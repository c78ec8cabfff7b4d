//! Whether an agent can do its work at this moment, and why not (F12).
//!
//! ```text
//! /readyz, status ─► what the agent's parts have noted (`condition`)
//!                 ├► the feed is read to its end   ─┐ both at once, within 2.5 s,
//!                 └► the ledger is written          ─┘ at most every 1.5 s
//! ```
//!
//! Nothing is believed because it worked a while ago: who asks makes the agent try. The tries are
//! bounded in time, since a database that hangs says nothing, and shared by all who ask within a
//! moment, so that a stranger who asks often costs little (W10).

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::condition::{Fault, Part, Tried, in_plain_words};
use crate::schedules::SUDDENLY_EMPTY;
use crate::shared::Shared;

/// How long a try may take: who asks has an answer well within the 5 s in which a fault has to be
/// noticed.
const LONGEST_TRY: Duration = Duration::from_millis(2_500);

/// How long the result of a try holds.
const TRY_HOLDS: Duration = Duration::from_millis(1_500);

/// A database has not answered in time.
#[derive(Debug, thiserror::Error)]
#[error("it has not answered within {:.1} s", LONGEST_TRY.as_secs_f64())]
struct Silent;

impl Shared {
    /// Why the agent cannot do its work at the moment; empty if it can.
    pub(crate) async fn faults(&self) -> Vec<Fault> {
        let ledger = self.try_databases().await;
        let mut faults = self.condition.faults();
        faults.extend(ledger.map(|cause| Fault { part: Part::Ledger, cause }));
        let of_config_database = self.config_database_faults();
        faults.extend(of_config_database.map(|cause| Fault { part: Part::ConfigDatabase, cause }));
        let of_own_side = self.own_faults.present();
        faults.extend(of_own_side.map(|cause| Fault { part: Part::OwnSide, cause }));
        faults.sort_by_key(|fault| fault.part);
        faults
    }

    /// Tries both databases, unless that was just done. Returns why the ledger cannot be written;
    /// what is wrong with the feed is noted by the feed.
    async fn try_databases(&self) -> Option<String> {
        // Whoever waits for the lock finds the try done.
        let mut last = self.condition.tried.lock().await;
        if let Some(tried) = &*last
            && tried.at.elapsed() < TRY_HOLDS
        {
            return tried.ledger.clone();
        }
        let ((), ledger) = tokio::join!(self.try_feed(), self.try_ledger());
        *last = Some(Tried { at: Instant::now(), ledger: ledger.clone() });
        ledger
    }

    async fn try_feed(&self) {
        if timeout(LONGEST_TRY, self.feed.try_reading()).await.is_err() {
            self.feed.note_fault(&Silent);
        }
    }

    async fn try_ledger(&self) -> Option<String> {
        let written = timeout(LONGEST_TRY, self.ledger.prove_writable(self.clock.now())).await;
        match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(in_plain_words(&error)),
            Err(_elapsed) => Some(Silent.to_string()),
        }
    }

    fn config_database_faults(&self) -> impl Iterator<Item = String> + use<> {
        let unread = (!self.feed.was_read())
            .then(|| "the Config Database has not answered yet: no group is scheduled".to_owned());
        let distrusted =
            self.schedules.distrusted().map(|job| format!("job {job}: {SUDDENLY_EMPTY}"));
        self.feed.fault().or(unread).into_iter().chain(distrusted)
    }
}
