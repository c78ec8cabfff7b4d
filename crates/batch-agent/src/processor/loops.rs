//! The loops of a processor: claiming, and keeping what is claimed.

use std::sync::Arc;
use std::time::Duration;

use cohort_database::{Heard, within_real_time};
use futures_util::future;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::EnhancedBatchProcessor;
use super::claimed::Claimed;
use super::error::ProcessError;
use crate::clock::saturating_add;
use crate::condition::Part;

/// How often claims are renewed and those of the dead are rescued.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How long to wait before looking again for work that nobody told us of (F9).
const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// How long to wait before claiming again after the ledger has failed.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);

/// How long an agent that ends waits for its ledger beyond the grace (F6).
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(3);

impl EnhancedBatchProcessor {
    /// Processes whatever is open until `shutdown` turns true; then begins no more calls, finishes
    /// those that are open within `grace`, and gives the rest back (F6).
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>, grace: Duration) {
        self.0.signals.begin();
        let mut in_hand = JoinSet::new();
        // Here and elsewhere by an order, not by chance: a simulation repeats itself.
        tokio::select! {
            biased;
            // A sender that is gone has nothing left to run for.
            _ended_or_gone = shutdown.wait_for(|ended| *ended) => {}
            () = self.renew_forever() => {}
            () = self.0.cancellations.read_forever(&self.0.in_hand) => {}
            () = self.0.health.hear_forever(&self.0.in_hand) => {}
            // On the heap: it is large, and callers carry it in theirs.
            () = Box::pin(self.claim_once_open(&mut in_hand)) => {}
        }
        self.0.signals.stop();
        self.finish(in_hand, grace).await;
    }

    /// Claims once a ledger that was restored may be worked on (F11).
    async fn claim_once_open(&self, in_hand: &mut JoinSet<()>) {
        self.0.shared.recovery.until_open().await;
        self.claim_forever(in_hand).await;
    }

    /// Finishes what is in hand within `grace`, and gives the rest back.
    async fn finish(&self, mut in_hand: JoinSet<()>, grace: Duration) {
        let finished =
            tokio::time::timeout(grace, async { while in_hand.join_next().await.is_some() {} })
                .await;
        if finished.is_err() {
            tracing::warn!("work in hand did not finish in time and is handed back");
            in_hand.shutdown().await;
        }
        self.release().await;
    }

    /// Hands back what was not finished. A ledger that does not answer soon does not keep the agent
    /// from ending: then the leases run out.
    async fn release(&self) {
        let shared = &self.0.shared;
        let (holder, now) = (self.0.identity.name(), shared.clock.now());
        let releasing = shared.ledger.release_chunks(holder, now);
        match within_real_time(LAST_WORDS, releasing).await {
            Some(Ok(_chunks)) => {}
            Some(Err(error)) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "work could not be handed back; its lease will run out"
            ),
            None => tracing::error!(
                waited = ?LAST_WORDS,
                "the ledger does not answer: work is not handed back, and its lease will run out"
            ),
        }
    }

    /// Processes whatever is open now. Returns when the next of it becomes ready; `None` if nothing
    /// is open any more.
    pub async fn run_until_idle(&self) -> Result<Option<Timestamp>, ProcessError> {
        loop {
            let claimed = self.0.claimer.claim().await?;
            if claimed.is_empty() {
                return Ok(self.0.claimer.next_ready_at().await?);
            }
            self.process_all(claimed).await?;
        }
    }

    /// Processes all of these to their end, also where one of them fails. Returns the first
    /// failure.
    async fn process_all(&self, claimed: Vec<Claimed>) -> Result<(), ProcessError> {
        self.0.in_hand.note(&claimed);
        future::join_all(claimed.into_iter().map(|claimed| self.0.worker.process(claimed)))
            .await
            .into_iter()
            .collect()
    }

    /// Claims work and begins it, as long as there is room.
    pub(crate) async fn claim_forever(&self, in_hand: &mut JoinSet<()>) {
        let mut news = self.0.shared.ledger.news();
        loop {
            while self.0.in_hand.has_room() {
                let claimed = self.0.claimer.claim().await;
                self.0.shared.condition.note(Part::Claiming, &claimed);
                match claimed {
                    Ok(claimed) if claimed.is_empty() => break,
                    Ok(claimed) => self.begin(claimed, in_hand),
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "no work can be claimed; it is tried again"
                        );
                        tokio::time::sleep(PAUSE_AFTER_FAULT).await;
                    }
                }
            }
            self.wait_for_work(in_hand, &mut news).await;
        }
    }

    fn begin(&self, claimed: Vec<Claimed>, in_hand: &mut JoinSet<()>) {
        self.0.in_hand.note(&claimed);
        for claimed in claimed {
            let inner = Arc::clone(&self.0);
            in_hand.spawn(async move { inner.worker.process_through_outages(claimed).await });
        }
    }

    /// Returns when there may be something to claim, and room for it.
    async fn wait_for_work(&self, in_hand: &mut JoinSet<()>, news: &mut watch::Receiver<Heard>) {
        while in_hand.try_join_next().is_some() {}
        if !self.0.in_hand.has_room() {
            in_hand.join_next().await;
            return;
        }
        let clock = &self.0.shared.clock;
        let sweep_at = saturating_add(clock.now(), SWEEP_EVERY);
        let ready_at = self.0.claimer.next_ready_at().await.ok().flatten();
        let look_at = ready_at.map_or(sweep_at, |at| at.min(sweep_at));
        tokio::select! {
            biased;
            Some(_finished) = in_hand.join_next() => {}
            () = self.0.signals.woken() => {}
            Ok(()) = news.changed() => {}
            () = clock.sleep_until(look_at) => {}
        }
    }

    /// Renews the claims of what is in hand, and rescues the chunks of agents that are gone.
    pub(crate) async fn renew_forever(&self) {
        let shared = &self.0.shared;
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let is_idle = self.0.in_hand.is_empty();
            let renewed = self.0.in_hand.renew(self.0.identity.claim_now()).await;
            if !is_idle {
                self.0.pulse.hear(&renewed);
            }
            let rescued = shared.ledger.rescue_chunks(shared.clock.now()).await;
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
