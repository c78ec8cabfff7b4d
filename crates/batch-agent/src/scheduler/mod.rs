//! `DynamicBatchScheduler`: keeps one schedule a preference group, and opens a run when one is due.
//!
//! ```text
//! groups + defaults ─► schedules ◄── change feed (`follow`)
//!                         │ due up to now
//!                         ▼
//!                  fire, or missed (`fire`) ─► ledger: runs and watermark, one transaction
//!                                                 │
//!                                                 ▼
//!                                             processor
//! ```
//!
//! There is no leader: each agent plans everything, and the ledger's unique key lets one of them
//! open each run (F3). The watermark says up to when everything is planned; it moves in the same
//! transaction as the runs, so that a crash loses neither (F1). What may fail: the Config Database,
//! then the schedules known go on (F4), also where it suddenly names no group (`empty_list`, M8);
//! the ledger, then nothing is planned and the same interval is planned again later (F5).
//!
//! Agents with different time zone databases do not plan at once (`tzdb`, T11).
//!
//! Simulated time drives this very code: [`DynamicBatchScheduler::run_simulated_until`] moves the
//! clock from one instant at which something is to do to the next.

mod argument;
mod calls;
mod completeness;
mod empty_list;
mod erasure;
mod error;
mod fire;
mod follow;
mod preference_batch;
mod readiness;
mod reload;
mod retention;
mod standing;
mod tzdb;

use std::sync::Arc;
use std::time::Duration;

use cohort_ledger::{Ledger, LedgerRetention};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch::Receiver;
use tokio::sync::{Mutex, Notify};

pub use self::argument::{ArgumentError, NoGroup, NotServed};
pub use self::error::ScheduleError;
pub use self::preference_batch::{PreferenceBatch, PreferenceBatchError};
use self::standing::Standing;
use crate::clock::{AgentClock, SimulatedClock};
use crate::condition::Condition;
use crate::jobs::Jobs;
use crate::processor::EnhancedBatchProcessor;
use crate::recovery::RecoveryGate;
use crate::schedules::{ChangeFeed, ScheduleView, Schedules};
use crate::shared::Shared;
use crate::source::PreferenceSource;

/// How long to wait before asking again what failed.
const PAUSE_AFTER_FAULT: SignedDuration = SignedDuration::from_secs(1);

/// Creates schedules from preferences and fires them.
pub struct DynamicBatchScheduler {
    source: Arc<dyn PreferenceSource>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    jobs: Jobs,
    schedules: Arc<Schedules>,
    feed: Arc<ChangeFeed>,
    condition: Arc<Condition>,
    /// Closed while a ledger that was restored waits for an operator.
    recovery: Arc<RecoveryGate>,
    processor: EnhancedBatchProcessor,
    poll_interval: Duration,
    /// How long closed runs are kept.
    retention: LedgerRetention,
    /// Held while occurrences are planned, and while the jobs are swapped that they are planned by.
    planning: Mutex<()>,
    standing: Standing,
    /// Told when there may be more to plan because jobs have changed, or because this agent begins
    /// to plan.
    reloaded: Notify,
}

impl DynamicBatchScheduler {
    /// A scheduler for the processor's jobs; `poll_interval` is how often everything is read anew
    /// as a safety net (F8).
    pub fn new(processor: EnhancedBatchProcessor, poll_interval: Duration) -> Self {
        let Shared { source, ledger, clock, jobs, schedules, feed, condition, recovery, .. } =
            processor.shared();
        Self {
            source,
            ledger,
            clock,
            jobs,
            schedules,
            feed,
            condition,
            recovery,
            processor,
            poll_interval,
            retention: LedgerRetention::default(),
            planning: Mutex::new(()),
            standing: Standing::default(),
            reloaded: Notify::new(),
        }
    }

    /// Every group with its size and next occurrence.
    pub fn schedules(&self) -> Vec<ScheduleView> {
        self.schedules.view()
    }

    /// Returns once a change is in force: `takes_effect_at` is what its write returned (M7).
    pub async fn until_in_force(&self, takes_effect_at: Timestamp) {
        self.feed.until_known(takes_effect_at).await;
    }

    /// Plans what is due until `shutdown` turns true, following the feed meanwhile.
    pub async fn run(&self, shutdown: Receiver<bool>) {
        let mut ended = shutdown.clone();
        tokio::select! {
            biased;
            // A sender that is gone has nothing left to run for.
            _ended_or_gone = ended.wait_for(|ended| *ended) => {}
            () = self.plan_once_open() => {}
            () = self.follow_forever() => {}
            () = self.refresh_forever() => {}
            () = self.reload_forever() => {}
            () = self.renew_forever() => {}
            () = self.look_after_the_ledger() => {}
        }
        self.leave().await;
    }

    /// Plans once a ledger that was restored may be worked on (F11). Nothing is planned before that
    /// is known.
    async fn plan_once_open(&self) {
        self.recovery.until_open().await;
        self.plan_forever().await;
    }

    /// Erases, checks and prunes, none of it in a ledger that is held.
    async fn look_after_the_ledger(&self) {
        self.recovery.until_open().await;
        tokio::select! {
            biased;
            () = self.erase_forever() => {}
            () = self.check_completeness_forever() => {}
            () = self.prune_forever() => {}
        }
    }

    /// Moves a simulated clock to `end`, doing on the way everything that becomes due.
    pub async fn run_simulated_until(
        &self,
        clock: &SimulatedClock,
        end: Timestamp,
    ) -> Result<(), ScheduleError> {
        // Without an answer, what was erased is taken over another time.
        if let Err(ScheduleError::Ledger(error)) = self.take_over_erasures().await {
            return Err(error.into());
        }
        loop {
            self.renew_if_due().await?;
            self.reload_newer().await?;
            self.plan_due().await?;
            let ready_at = self.processor.run_until_idle().await?;
            // In real time the feed that is followed does it: a group that came to be meanwhile may
            // be due before those known.
            self.learn_changes().await;
            self.reload_outdated().await;
            let next = self
                .next_to_plan()
                .into_iter()
                .chain(self.next_chance_to_plan())
                .chain(ready_at)
                .min();
            match next.filter(|next| *next <= end) {
                Some(next) => clock.advance_to(next),
                None => {
                    clock.advance_to(end);
                    return self.renew_if_due().await;
                }
            }
        }
    }
}
