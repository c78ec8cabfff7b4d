//! Which agent plans where agents have different time zone databases (T11).
//!
//! Another database may place an occurrence at another instant, so that two that plan at once would
//! disagree on what is due. The ledger goes by one release, and only agents that have it plan:
//!
//! ```text
//! every 15 s: renew
//!   ├─► in force: plan ────────────► once a newer one is in force: plan nothing any more
//!   └─► waiting (ours is newer) ───► once nobody older has renewed for 60 s: in force,
//!                                    and the last 48 h are planned anew
//! ```
//!
//! What is planned anew is compared by names with what has a run, so that no occurrence gets a
//! second run. What the database before had placed later, and this one finds missed, is judged like
//! any downtime (F1). An occurrence whose name says its instant (T9) is left as it was planned.
//!
//! An agent that plans nothing still works on runs that are open. What may fail: the ledger, then
//! an agent that plans goes on as it stood, and what it plans is refused if a newer release has
//! come into force meanwhile. It deliberately never goes back to an older release by itself: that
//! would name again what a newer one had corrected.

use cohort_database::within_real_time;
use cohort_ledger::TzdbStanding;
use jiff::Timestamp;

use super::standing::{RENEW_EVERY, Renewed};
use super::{DynamicBatchScheduler, ScheduleError};
use crate::condition::Part;
use crate::processor::LAST_WORDS;

impl DynamicBatchScheduler {
    /// Says that this agent lives, and learns whether it plans. One that begins to, because its
    /// release has come into force, reads everything anew.
    pub(super) async fn renew(&self) -> Result<(), ScheduleError> {
        let sign = self.processor.sign();
        let renewed =
            Renewed { at: sign.renewed_at, standing: self.ledger.renew_agent(sign).await? };
        let before = self.standing.lock().as_ref().map(|renewed| renewed.standing.clone());
        if before.as_ref() != Some(&renewed.standing) {
            self.tell_standing(&renewed.standing);
        }
        if before.is_some_and(|before| before != TzdbStanding::InForce)
            && renewed.standing == TzdbStanding::InForce
        {
            let _turn = self.planning.lock().await;
            self.reload_all().await;
            self.reloaded.notify_one();
        }
        self.note_release(&renewed.standing);
        *self.standing.lock() = Some(renewed);
        Ok(())
    }

    /// In simulated time an agent renews when it does something.
    pub(super) async fn renew_if_due(&self) -> Result<(), ScheduleError> {
        let now = self.clock.now();
        if self.standing.next_renewal(now) <= now { self.renew().await } else { Ok(()) }
    }

    pub(super) async fn renew_forever(&self) {
        loop {
            tokio::time::sleep(RENEW_EVERY.unsigned_abs()).await;
            if let Err(error) = self.renew().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the agent could not say that it lives; it is tried again"
                );
            }
        }
    }

    /// Says that this agent has ended, so that nobody waits for it; but not for long to a ledger
    /// that does not answer (F6).
    pub(super) async fn leave(&self) {
        let agent = self.processor.sign().agent;
        let fault = match within_real_time(LAST_WORDS, self.ledger.forget_agent(&agent)).await {
            Some(Ok(())) => return,
            Some(Err(error)) => error.to_string(),
            None => format!("no answer within {LAST_WORDS:?}"),
        };
        tracing::warn!(
            fault,
            "the agent could not say that it has ended; it counts as gone in a minute"
        );
    }

    /// Whether this agent plans: its time zone database is the ledger's.
    pub(super) fn plans(&self) -> bool {
        self.standing.plans()
    }

    /// When there is next something for this agent to plan; `None` if there is not.
    pub(super) fn next_to_plan(&self) -> Option<Timestamp> {
        self.schedules.next_due().filter(|_| self.plans())
    }

    /// When an agent that plans nothing may learn next that it does.
    pub(super) fn next_chance_to_plan(&self) -> Option<Timestamp> {
        (!self.plans()).then(|| self.standing.next_renewal(self.clock.now()))
    }

    /// Notes why an operator has to act, if this agent's time zone database is older than the
    /// ledger's. One that waits for older agents to go is well: a roll-out waits for it to be
    /// ready.
    fn note_release(&self, standing: &TzdbStanding) {
        let TzdbStanding::Outdated { in_force } = standing else {
            return self.condition.note_well(Part::TimeZoneDatabase);
        };
        let own = self.processor.sign().tzdb;
        let cause = format!(
            "the ledger goes by the time zone database {in_force}, this agent has {own}: it plans \
             nothing"
        );
        self.condition.note_fault(Part::TimeZoneDatabase, cause);
    }

    fn tell_standing(&self, standing: &TzdbStanding) {
        let own = self.processor.sign().tzdb;
        match standing {
            TzdbStanding::InForce => {
                tracing::info!(%own, "this agent plans: the ledger goes by its time zone database");
            }
            TzdbStanding::Outdated { in_force } => {
                tracing::error!(%own, %in_force,
                    "this agent plans nothing: the ledger goes by a newer time zone database; give \
                     it a newer program");
            }
            TzdbStanding::Waiting { in_force } => {
                tracing::warn!(%own, %in_force,
                    "this agent plans nothing yet: agents with an older time zone database still \
                     live");
            }
        }
    }
}
