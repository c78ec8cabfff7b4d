//! `EnhancedBatchProcessor`: processes the users of due occurrences in chunks, each with their own
//! settings.
//!
//! ```text
//! run ─► page of members (as of the instant, M1) ─► chunks, born claimed ─┐   which of both is next: `claim`, `turns`
//! ready chunks (retries, rescued) ───────────────────────── claimed ──────┤
//!                                                                         ▼
//!                           who has changed since? (M3) ─► consent (M2) ─► handler ─► settle ─► ledger
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

mod attempt;
mod backoff;
mod budget;
mod builder;
mod call;
mod cancel;
mod claim;
mod consent;
mod count;
mod fair;
mod once;
mod outage;
mod overlap;
mod read;
mod resolve;
mod stride;
mod throttles;
mod trigger;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cohort_database::Heard;
use cohort_preferences::{JobId, Member};
use futures_util::future;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, OnceCell, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::builder::ProcessorBuilder;
use self::cancel::Cancellations;
use self::stride::StrideScheduler;
use self::throttles::Throttles;
use crate::clock::AgentClock;
use crate::clock::saturating_add;
use crate::jobs::{JobInForce, Jobs};
use crate::members::GroupAt;
use crate::metrics::{Gauges, Metrics};
use crate::schedules::{ChangeFeed, LogPosition, Schedules};
use crate::shared::Shared;
use crate::source::PreferenceSource;
use cohort_ledger::{
    AgentSign, Chunk, Ledger, LedgerError, NewRun, OtherRuns, Plan, Run, RunId, TzdbRelease,
    UnprocessedReason,
};

/// Members read at once, and users of as many ready chunks claimed at once.
const CLAIM_USERS: usize = 2_500;

/// Users of claims held at once: as many in work as are being read (D7).
const USERS_HELD: usize = 2 * CLAIM_USERS;

/// How long a claim holds if it is not renewed (F3).
const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// How often claims are renewed and those of the dead are rescued.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// How long to wait before looking again for work that nobody told us of (F9).
const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// Processes chunks; cheap to clone.
#[derive(Clone)]
pub struct EnhancedBatchProcessor(Arc<Inner>);

struct Inner {
    source: Arc<dyn PreferenceSource>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    schedules: Arc<Schedules>,
    feed: Arc<ChangeFeed>,
    jobs: Jobs,
    cancellations: Cancellations,
    /// One permit a user who may be called and not yet answered (D3).
    calls: Arc<Semaphore>,
    max_concurrent_items: usize,
    holder: String,
    tzdb: TzdbRelease,
    /// The chunks in work by number and token: their claims are renewed.
    in_work: Mutex<HashMap<(i64, i64), Held>>,
    throttles: Throttles,
    /// Since when the Config Database does not answer with settings; `None` while it does.
    away_since: Mutex<Option<Timestamp>>,
    /// Canceled once no calls are begun any more (F6).
    stopping: CancellationToken,
    /// Whether `run` claims and processes.
    is_at_work: AtomicBool,
    /// Held by whoever claims.
    stride: tokio::sync::Mutex<StrideScheduler>,
    wake: Notify,
    metrics: Metrics,
}

/// A chunk in this agent's hands, with what is known of its members.
struct Claimed {
    chunk: Chunk,
    lease_until: Timestamp,
    run: Arc<Run>,
    job: Arc<JobInForce>,
    /// What other runs there are; asked once for all chunks of a run that were claimed together.
    others: Arc<OnceCell<OtherRuns>>,
    /// The members as the page gave them and the watch's place before it was read; `None` if they
    /// must be asked for.
    read: Option<(Vec<Member>, LogPosition)>,
}

/// What is noted of a chunk in work.
#[derive(Clone, Copy)]
struct Held {
    users: usize,
    is_suspect: bool,
    lease_until: Timestamp,
}

/// Why processing could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The ledger did not take or give what was asked.
    #[error("claiming or recording work")]
    Ledger(#[from] LedgerError),
}

impl EnhancedBatchProcessor {
    /// Opens the runs of what was planned, with the job's watermark, and starts on them.
    pub async fn process_occurrences(
        &self,
        job: &JobId,
        plan: Plan,
    ) -> Result<Vec<RunId>, LedgerError> {
        let (now, firings) = (self.0.clock.now(), planned(&plan.runs));
        let opened = self.0.ledger.open_runs(job, plan, now).await?;
        self.0.metrics.planned(job, &firings, now);
        self.0.wake.notify_one();
        Ok(opened)
    }

    /// Processes whatever is open until `shutdown` turns true; then begins no more calls, finishes
    /// those that are open within `grace`, and hands the rest back (F6).
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>, grace: Duration) {
        self.0.is_at_work.store(true, Ordering::Relaxed);
        let mut in_hand = JoinSet::new();
        // Here and elsewhere by an order, not by chance: a simulation repeats itself.
        tokio::select! {
            biased;
            // A sender that is gone has nothing left to run for.
            _ended_or_gone = shutdown.wait_for(|ended| *ended) => {}
            () = self.renew_forever() => {}
            () = self.read_cancellations_forever() => {}
            () = self.claim_forever(&mut in_hand) => {}
        }
        self.0.is_at_work.store(false, Ordering::Relaxed);
        self.0.stopping.cancel();
        let finished =
            tokio::time::timeout(grace, async { while in_hand.join_next().await.is_some() {} })
                .await;
        if finished.is_err() {
            tracing::warn!("work in hand did not finish in time and is handed back");
            in_hand.shutdown().await;
        }
        if let Err(error) = self.0.ledger.release_chunks(&self.0.holder, self.0.clock.now()).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "work could not be handed back; its lease will run out"
            );
        }
    }

    /// Processes whatever is open now. Returns when the next of it becomes ready.
    pub async fn run_until_idle(&self) -> Result<Option<Timestamp>, ProcessError> {
        loop {
            let claimed = self.0.claim().await?;
            if claimed.is_empty() {
                return Ok(self.0.next_ready_at().await?);
            }
            self.0.process_all(claimed).await?;
        }
    }

    /// Takes back what this agent held when it was killed (D5). Only for an agent that is alone
    /// under its name.
    pub async fn take_back_claims(&self) -> Result<usize, LedgerError> {
        self.0.ledger.take_back_chunks(&self.0.holder, self.0.clock.now()).await
    }

    /// The size of a group as of an instant, or as last known if the Config Database cannot be
    /// asked (F4); `None` if nobody is known of then.
    pub(crate) async fn count_members(&self, asked: GroupAt<'_>) -> Option<u64> {
        self.0.count_members(asked).await
    }

    /// Returns once it begins no calls any more (F6).
    pub(crate) async fn until_stopping(&self) {
        self.0.stopping.cancelled().await;
    }

    pub(crate) fn schedules(&self) -> &Schedules {
        &self.0.schedules
    }

    pub(crate) fn feed(&self) -> &ChangeFeed {
        &self.0.feed
    }

    /// The jobs in force.
    pub fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    /// Whether `run` claims and processes.
    pub(crate) fn is_at_work(&self) -> bool {
        self.0.is_at_work.load(Ordering::Relaxed)
    }

    /// What the agent says of itself when it renews (T11).
    pub(crate) fn sign(&self) -> AgentSign {
        AgentSign {
            agent: self.0.holder.clone(),
            tzdb: self.0.tzdb.clone(),
            renewed_at: self.0.clock.now(),
        }
    }

    /// What it counts.
    pub(crate) fn counts(&self) -> &Metrics {
        &self.0.metrics
    }

    /// What it counts, in the Prometheus text format, with how much is open now.
    pub(crate) async fn metrics(&self) -> Result<String, LedgerError> {
        let now = self.0.clock.now();
        Ok(self.0.metrics.render(&Gauges {
            now,
            open: self.0.ledger.open_work(now).await?,
            calls_in_flight: self.0.max_concurrent_items - self.0.calls.available_permits(),
            feed_lag: self.0.feed.lag(),
            groups: self.0.schedules.group_counts(),
        }))
    }

    /// What a scheduler works on together with it.
    pub(crate) fn shared(&self) -> Shared {
        let Inner { source, ledger, clock, jobs, schedules, feed, .. } = &*self.0;
        Shared {
            source: Arc::clone(source),
            ledger: Arc::clone(ledger),
            clock: Arc::clone(clock),
            jobs: jobs.clone(),
            schedules: Arc::clone(schedules),
            feed: Arc::clone(feed),
        }
    }

    pub(crate) async fn claim_forever(&self, in_hand: &mut JoinSet<()>) {
        let mut news = self.0.ledger.news();
        loop {
            while self.0.has_room() {
                match self.0.claim().await {
                    Ok(claimed) if claimed.is_empty() => break,
                    Ok(claimed) => self.begin(claimed, in_hand),
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "no work can be claimed; it is tried again"
                        );
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
            self.wait_for_work(in_hand, &mut news).await;
        }
    }

    fn begin(&self, claimed: Vec<Claimed>, in_hand: &mut JoinSet<()>) {
        self.0.note_in_work(&claimed);
        for claimed in claimed {
            let inner = Arc::clone(&self.0);
            in_hand.spawn(async move { inner.process_through_outages(claimed).await });
        }
    }

    /// Returns when there may be something to claim, and room for it.
    async fn wait_for_work(&self, in_hand: &mut JoinSet<()>, news: &mut watch::Receiver<Heard>) {
        while in_hand.try_join_next().is_some() {}
        if !self.0.has_room() {
            in_hand.join_next().await;
            return;
        }
        let sweep_at = saturating_add(self.0.clock.now(), SWEEP_EVERY);
        let ready_at =
            self.0.next_ready_at().await.ok().flatten().map_or(sweep_at, |at| at.min(sweep_at));
        tokio::select! {
            biased;
            Some(_finished) = in_hand.join_next() => {}
            () = self.0.wake.notified() => {}
            Ok(()) = news.changed() => {}
            () = self.0.clock.sleep_until(ready_at) => {}
        }
    }

    pub(crate) async fn renew_forever(&self) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let renewed = self.0.renew_claims().await;
            let rescued = self.0.ledger.rescue_chunks(self.0.clock.now()).await;
            match renewed.and(rescued) {
                Ok(0) => {}
                Ok(chunks) => {
                    self.0.metrics.rescued(chunks);
                    tracing::warn!(chunks, "took over chunks whose holder has gone");
                }
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "claims could not be renewed"
                ),
            }
        }
    }
}

impl Inner {
    /// Processes all of these to their end, also where one of them fails. Returns the first
    /// failure.
    async fn process_all(&self, claimed: Vec<Claimed>) -> Result<(), ProcessError> {
        self.note_in_work(&claimed);
        future::join_all(claimed.into_iter().map(|claimed| self.process_noted(claimed)))
            .await
            .into_iter()
            .collect()
    }

    /// Processes a chunk that is noted to be in work. It no longer is when this ends, however it
    /// does.
    async fn process_noted(&self, mut claimed: Claimed) -> Result<(), ProcessError> {
        let _in_work = InWork::of(self, &claimed.chunk);
        match self.work_on(&mut claimed).await? {
            Some(settlement) => self.record(&claimed.run, settlement).await,
            None => Ok(()),
        }
    }

    fn note_in_work(&self, claimed: &[Claimed]) {
        let held = |Claimed { chunk, lease_until, .. }: &Claimed| {
            let held = Held {
                users: chunk.open.len(),
                is_suspect: chunk.is_suspect(),
                lease_until: *lease_until,
            };
            ((chunk.id, chunk.token), held)
        };
        self.in_work().extend(claimed.iter().map(held));
    }

    /// Whether the claim of a chunk in work still holds by this agent's clock; otherwise another
    /// agent may have it (F3).
    fn holds(&self, chunk: &Chunk) -> bool {
        self.in_work()
            .get(&(chunk.id, chunk.token))
            .is_some_and(|held| self.clock.now() <= held.lease_until)
    }

    /// Makes the claims of the chunks in work last longer, but for those that have run out.
    async fn renew_claims(&self) -> Result<(), LedgerError> {
        let claim = self.claim_now();
        let lasting: Vec<_> = self
            .in_work()
            .iter()
            .filter(|(_, held)| claim.at <= held.lease_until)
            .map(|(name, _)| *name)
            .collect();
        self.ledger
            .renew_claims(claim.clone(), lasting.iter().map(|(chunk, _)| *chunk).collect())
            .await?;
        let mut in_work = self.in_work();
        for name in lasting {
            if let Some(held) = in_work.get_mut(&name) {
                held.lease_until = claim.lease_until;
            }
        }
        Ok(())
    }

    /// Whether there is room for one more claim (D7).
    fn has_room(&self) -> bool {
        self.in_work().values().map(|held| held.users).sum::<usize>() + CLAIM_USERS <= USERS_HELD
    }

    /// Whether a suspect is in work (D5).
    fn has_suspect(&self) -> bool {
        self.in_work().values().any(|held| held.is_suspect)
    }

    fn in_work(&self) -> MutexGuard<'_, HashMap<(i64, i64), Held>> {
        self.in_work.lock().expect("the map is changed by code that does not panic")
    }
}

/// When each of these runs was due, and why it is not to be processed, if so.
fn planned(runs: &[NewRun]) -> Vec<(Timestamp, Option<UnprocessedReason>)> {
    runs.iter()
        .map(|run| (run.occurrence.at, run.unprocessed.map(|(reason, _members)| reason)))
        .collect()
}

/// A chunk in work, until this is dropped.
struct InWork<'a> {
    inner: &'a Inner,
    name: (i64, i64),
}

impl<'a> InWork<'a> {
    fn of(inner: &'a Inner, chunk: &Chunk) -> Self {
        Self { inner, name: (chunk.id, chunk.token) }
    }
}

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        self.inner.in_work().remove(&self.name);
    }
}
