//! `EnhancedBatchProcessor`: processes the users of due occurrences in chunks, each with their own
//! settings.
//!
//! ```text
//! run ─► page of members (as of the instant, M1) ─► chunks, born claimed ─┐
//! ready chunks (retries, rescued) ─────────────────────────────── claimed ┤
//!                               which of both is next: `claim`, `stride`  │
//!                                                                         ▼
//!  ledger ◄─ chunk result ◄─ handler ◄─ consent (M2) ◄─ who has changed since? (M3)
//!  `record`    `resolve`      `call`     `objections`         `attempt`
//! ```
//!
//! At most two claims' worth of users (a claim is a page of members, or as many ready chunks) is
//! held at once: while chunks are worked on, the next are read. Everything else waits in the
//! ledger, so memory does not grow with the number of users due (D7).
//!
//! What may fail: the member list, then the run waits and is read again until its catch-up window
//! ends (F4, M8); the settings, then those of up to an hour ago are used and the outcome says so
//! (M3); the handler, then the user is tried again (D4); the ledger, then it is waited for
//! (`outage`, F5), and a claim that runs out meanwhile is somebody else's (F3).
//!
//! Three stages do the work, each with what it needs and no more: `Claimer`, `Worker` and, within
//! it, `Caller`. What they share knows its own table: the chunks in hand, the canceled runs, the
//! health of purposes, the capacity for calls.

mod asked;
mod assemble;
mod attempt;
mod backoff;
mod builder;
mod call;
mod cancellations;
mod candidates;
mod capacity;
mod claim;
mod claimed;
mod consent;
mod count;
mod current;
mod due_call;
mod error;
mod fair;
pub(crate) mod health;
mod held;
mod identity;
mod in_hand;
mod last_look;
mod loops;
mod objections;
mod once;
mod outage;
mod overlap;
mod permit;
mod pulse;
mod read;
mod record;
mod rerun;
mod resolve;
mod signals;
mod stride;
mod trigger;
mod unread;

use std::sync::Arc;

use cohort_ledger::{
    AgentSign, LedgerError, NewRun, Plan, PurposeHealth, RunId, UnprocessedReason,
};
use cohort_preferences::JobId;
use jiff::Timestamp;

use self::attempt::Worker;
pub use self::builder::ProcessorBuilder;
use self::cancellations::Cancellations;
use self::capacity::Capacity;
use self::claim::Claimer;
pub use self::error::ProcessError;
use self::health::Health;
use self::identity::Identity;
use self::in_hand::InHand;
pub(crate) use self::loops::LAST_WORDS;
use self::pulse::LedgerPulse;
use self::signals::Signals;
pub(crate) use self::trigger::Trigger;
use crate::jobs::Jobs;
use crate::members::GroupAt;
use crate::metrics::{Gauges, Metrics, PurposeGauge};
use crate::schedules::{ChangeFeed, Schedules};
use crate::shared::Shared;

/// Processes chunks; cheap to clone.
#[derive(Clone)]
pub struct EnhancedBatchProcessor(Arc<Inner>);

struct Inner {
    shared: Shared,
    identity: Identity,
    signals: Arc<Signals>,
    in_hand: Arc<InHand>,
    cancellations: Arc<Cancellations>,
    health: Arc<Health>,
    capacity: Arc<Capacity>,
    pulse: Arc<LedgerPulse>,
    claimer: Claimer,
    worker: Worker,
    metrics: Arc<Metrics>,
}

impl EnhancedBatchProcessor {
    /// Opens the runs of what was planned, with the job's watermark, and starts on them.
    pub async fn process_occurrences(
        &self,
        job: &JobId,
        plan: Plan,
    ) -> Result<Vec<RunId>, LedgerError> {
        let (now, firings) = (self.0.shared.clock.now(), planned(&plan.runs));
        let opened = self.0.shared.ledger.open_runs(job, plan, now).await?;
        self.0.metrics.planned(job, &firings, now);
        self.0.signals.wake();
        Ok(opened)
    }

    /// Takes back what this agent held when it was killed (D5). Returns how many chunks that were.
    /// Only for an agent that is alone under its name.
    pub async fn take_back_claims(&self) -> Result<usize, LedgerError> {
        let Shared { ledger, clock, .. } = &self.0.shared;
        ledger.take_back_chunks(self.0.identity.name(), clock.now()).await
    }

    /// Takes over what an operator has done to runs, and goes on with them.
    pub(crate) async fn take_over_operations(&self) -> Result<(), LedgerError> {
        self.0.cancellations.read().await?;
        self.0.signals.wake();
        Ok(())
    }

    /// Takes over what an operator has said of purposes, and goes on with their work.
    pub(crate) async fn take_over_health(&self) -> Result<(), LedgerError> {
        self.0.health.hear().await?;
        self.0.signals.wake();
        Ok(())
    }

    /// The size of a group as of an instant, or as last known if the Config Database cannot be
    /// asked (F4); `None` if nobody is known of then.
    pub(crate) async fn count_members(&self, asked: GroupAt<'_>) -> Option<u64> {
        count::count_members(&self.0.shared, asked).await
    }

    /// Returns once it begins no calls any more (F6).
    pub(crate) async fn until_stopping(&self) {
        self.0.signals.until_stopping().await;
    }

    pub(crate) fn schedules(&self) -> &Schedules {
        &self.0.shared.schedules
    }

    pub(crate) fn feed(&self) -> &ChangeFeed {
        &self.0.shared.feed
    }

    /// The jobs in force.
    pub fn jobs(&self) -> &Jobs {
        &self.0.shared.jobs
    }

    /// Whether `run` claims and processes.
    pub(crate) fn is_at_work(&self) -> bool {
        self.0.signals.is_at_work()
    }

    /// What the agent says of itself when it renews (T11).
    pub(crate) fn sign(&self) -> AgentSign {
        self.0.identity.sign()
    }

    /// Users called and not yet answered.
    pub(crate) fn calls_in_flight(&self) -> usize {
        self.0.capacity.in_flight()
    }

    /// What it counts.
    pub(crate) fn counts(&self) -> &Metrics {
        &self.0.metrics
    }

    /// What it counts, in the Prometheus text format, with how much is open now.
    pub(crate) async fn metrics(&self) -> Result<String, LedgerError> {
        let Shared { ledger, clock, feed, schedules, .. } = &self.0.shared;
        let now = clock.now();
        Ok(self.0.metrics.render(&Gauges {
            now,
            open: ledger.open_work(now).await?,
            calls_in_flight: self.calls_in_flight(),
            feed_lag: feed.lag(),
            usage: ledger.disk_usage().await?,
            groups: schedules.group_counts(),
            purposes: self.purpose_gauges(now).await?,
        }))
    }

    /// How each purpose of a job in force does, and each that was called.
    async fn purpose_gauges(&self, now: Timestamp) -> Result<Vec<PurposeGauge>, LedgerError> {
        let Inner { shared, health, .. } = &*self.0;
        let jobs = shared.jobs.in_force();
        for job in jobs.planned() {
            health.of(&job.job.purpose_id);
        }
        let backlog = shared.ledger.backlog(now).await?;
        let gauge = |health: PurposeHealth| PurposeGauge {
            waiting_since: backlog
                .iter()
                .filter(|waiting| {
                    let job = jobs.find(&waiting.lane.job);
                    job.is_some_and(|job| job.job.purpose_id == health.purpose)
                })
                .map(|waiting| waiting.since)
                .min(),
            state: health.state_at(now),
            since: (health.revision > 0).then_some(health.since),
            purpose: health.purpose,
        };
        Ok(health.all().into_iter().map(gauge).collect())
    }

    /// What a scheduler works on together with it.
    pub(crate) fn shared(&self) -> Shared {
        self.0.shared.clone()
    }
}

/// When each of these runs was due, and why it is not to be processed, if so.
fn planned(runs: &[NewRun]) -> Vec<(Timestamp, Option<UnprocessedReason>)> {
    runs.iter()
        .map(|run| (run.occurrence.at, run.unprocessed.map(|(reason, _members)| reason)))
        .collect()
}
