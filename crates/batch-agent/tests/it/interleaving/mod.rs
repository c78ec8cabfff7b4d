//! Agents that go on one at a time, from point to point, as a test orders it.
//!
//! ```text
//! life ─► before ─► ledger, Config Database or handler ─► after ─► …
//!   ▲        │ let on · refused · answered so · killed there
//!   └────────┴── the test, while nobody moves
//! ```
//!
//! Each life waits at each point until it is let on.
//!
//! The lives are real agents with their loops. Time stands while they wait, the clock's and that of
//! their timers; the test lets it pass. Everything is on one thread and in the test's hand, so that
//! the same choices give the same history.
//!
//! The named points, before and after which a life can be stopped, refused or killed: every
//! operation of the ledger and of the Config Database by its function's name
//! (`ledger.claim_chunks`, `source.members`), and `handler.call`: before it, the request is on its
//! way; after it, the answer is.
//!
//! These bugs were planted, one after another, to see that the proofs made of this can fail:
//!
//! - outcomes are recorded before the call: both of them: `seeded`, `nth_operation`
//! - outcomes are recorded without a look at the token (F3): `seeded`, at seed 0
//! - a claim leaves the chunk to others until it is recorded: both, at seed 0
//! - giving back gives back others' chunks too: `seeded`, at seed 13
//! - a chunk result that could not be recorded is given up (F5): `nth_operation`: called again, and
//!   nobody had died
//! - a chunk in hand is known by its number, without the token, and called for though its claim has
//!   run out: `seeded`: a repeat that nothing explains
//! - runs have no unique key (F3): `seeded` at seed 2, `nth_operation` where an answer is lost

mod differences;
mod fated;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use cohort_batch_agent::{
    AgentClock, DynamicBatchScheduler, EnhancedBatchProcessor, Ledger, ResultStatus, Run, RunQuery,
    RunState, ScheduleError,
};
use cohort_preferences::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::fated::{Crowd, Fated, Waiting, locked};
use crate::faulty_ledger::{Fate, FaultyLedger, FaultySource, Point, at_once};
use crate::simulation::expected;
use crate::stage::{Backend, Stage};

/// Users who may be called and not yet answered, per agent.
const AT_ONCE: usize = 10;

/// Shorter than any pause of an agent's.
const INSTANT: Duration = Duration::from_millis(1);

/// How it goes on at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    On,
    Refused,
    /// The handler says so of each of its users, with the seconds before another attempt.
    Answered(ResultStatus, Option<u64>),
}

/// Agents, and who of them waits where.
pub(crate) struct Interleaving {
    pub(crate) stage: Stage,
    clock: TimersClock,
    ledger: Arc<dyn Ledger>,
    crowd: Arc<Crowd>,
    lives: Vec<Life>,
    trace: Vec<String>,
}

/// The clock that goes with the timers.
#[derive(Clone, Copy)]
struct TimersClock {
    start: Timestamp,
    since: Instant,
}

impl Clock for TimersClock {
    fn now(&self) -> Timestamp {
        self.start + SignedDuration::try_from(self.since.elapsed()).expect("a few hours")
    }
}

impl AgentClock for TimersClock {}

/// An agent from its start to its end.
struct Life {
    name: &'static str,
    task: JoinHandle<Result<(), ScheduleError>>,
    stop: watch::Sender<bool>,
    /// How many events there were when it ended.
    ended: Option<usize>,
}

impl Interleaving {
    /// Nobody lives yet on this stage, whose ledger is on this database.
    pub(crate) fn on(stage: Stage, backend: Backend) -> Self {
        let stage = match backend {
            Backend::Sqlite => stage,
            Backend::Postgres => at_once(stage.on(backend)),
        };
        let (ledger, clock) =
            (stage.ledger(), TimersClock { start: stage.now(), since: Instant::now() });
        Self { stage, clock, ledger, crowd: Arc::default(), lives: Vec::new(), trace: Vec::new() }
    }

    /// The ledger, out of reach of any fate.
    pub(crate) fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// Makes the job known, so that whatever is due from now on is to be planned (F1).
    pub(crate) fn ensure_job(&self) {
        at_once(self.ledger.ensure_job(&self.stage.job.job_id, self.stage.now())).expect("a job");
    }

    /// Starts an agent; `takes_back`, as one that knows that its predecessor of the same name is
    /// dead.
    pub(crate) fn start(&mut self, name: &'static str, takes_back: bool) {
        let fated = Arc::new(Fated {
            life: self.lives.len(),
            crowd: Arc::clone(&self.crowd),
            clock: self.clock,
            calls: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
        });
        let fate: Arc<dyn Fate> = fated.clone();
        let source = FaultySource::new(self.stage.source.clone(), Arc::clone(&fate));
        let ledger: Arc<dyn Ledger> = Arc::new(FaultyLedger::new(Arc::clone(&self.ledger), fate));
        let processor = EnhancedBatchProcessor::builder(source, ledger)
            .clock(Arc::new(self.clock))
            .handler("write", fated)
            .jobs([self.stage.job.clone()])
            .holder(name)
            .max_concurrent_items(AT_ONCE);
        let processor = processor.build().expect("a processor");
        let (stop, stopped) = watch::channel(false);
        self.note(format!("{name}{} starts, takes_back={takes_back}", self.lives.len()));
        let task = tokio::spawn(async move {
            if takes_back {
                processor.take_back_claims().await?;
            }
            let scheduler = DynamicBatchScheduler::new(processor.clone(), Duration::from_mins(1));
            scheduler.initialize_dynamic_schedules().await?;
            tokio::join!(
                scheduler.run(stopped.clone()),
                processor.run(stopped, Duration::from_secs(25))
            );
            Ok(())
        });
        self.lives.push(Life { name, task, stop, ended: None });
    }

    /// Who lives.
    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.lives.len()).filter(|life| self.lives[*life].ended.is_none()).collect()
    }

    /// The name that a life goes by in its claims.
    pub(crate) fn name_of(&self, life: usize) -> &'static str {
        self.lives[life].name
    }

    /// Ends a life where it is.
    pub(crate) async fn kill(&mut self, life: usize) {
        self.note(format!("{}{life} dies", self.lives[life].name));
        self.lives[life].task.abort();
        self.let_all_come_to_rest().await;
    }

    /// Asks an agent to end.
    pub(crate) fn stop(&mut self, life: usize) {
        self.note(format!("{}{life} is asked to end", self.lives[life].name));
        self.lives[life].stop.send_replace(true);
    }

    /// Waits until everybody stands at a point or waits for time to pass, and says who stands
    /// where.
    pub(crate) async fn waiting(&mut self) -> Vec<(usize, Point)> {
        self.let_all_come_to_rest().await;
        let mut waiting = locked(&self.crowd.waiting);
        waiting.retain(|waiting| !waiting.go.is_closed());
        waiting.iter().map(|waiting| (waiting.life, waiting.point)).collect()
    }

    /// Lets the one on that stands at this index of [`Interleaving::waiting`].
    pub(crate) fn go_on(&mut self, index: usize, verdict: Verdict) {
        let Waiting { life, point, go } = locked(&self.crowd.waiting).remove(index);
        self.note(format!(
            "{}{life} {:?} {} {}: {verdict:?}",
            self.lives[life].name, point.moment, point.operation, point.number
        ));
        // One that has died meanwhile does not go on.
        let _dead = go.send(verdict);
    }

    /// Lets time pass, for the clock and for timers, while nobody moves.
    pub(crate) async fn pass(&mut self, time: SignedDuration) {
        tokio::time::advance(time.unsigned_abs()).await;
        self.stage.clock.advance_to(self.clock.now());
    }

    pub(crate) fn note(&mut self, what: String) {
        self.trace.push(format!("{} {what}", self.stage.now()));
    }

    pub(crate) fn trace(&self) -> String {
        self.trace.join("\n")
    }

    async fn let_all_come_to_rest(&mut self) {
        // Time that is paused moves on only when nobody has anything left to do.
        tokio::time::sleep(INSTANT).await;
        self.stage.clock.advance_to(self.clock.now());
        let events = locked(&self.crowd.events).len();
        for number in 0..self.lives.len() {
            let life = &mut self.lives[number];
            if life.ended.is_none() && life.task.is_finished() {
                life.ended = Some(events);
                let told = match (&mut life.task).await {
                    Ok(ended) => format!("{ended:?}"),
                    Err(gone) if gone.is_cancelled() => "killed".into(),
                    Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                };
                self.note(format!("{}{number} has ended: {told}", self.lives[number].name));
            }
        }
    }

    /// Whether everything that is due has ended.
    pub(crate) fn is_at_rest(&self) -> bool {
        let runs = self.runs();
        let due: BTreeSet<_> =
            expected(&self.stage).into_iter().map(|(_, nominal, zone)| (nominal, zone)).collect();
        let opened: BTreeSet<_> = runs
            .iter()
            .map(|run| (run.occurrence.nominal.to_string(), run.group.timezone().name().to_owned()))
            .collect();
        due.is_subset(&opened) && runs.iter().all(|run| run.state == RunState::Closed)
    }

    fn runs(&self) -> Vec<Run> {
        at_once(self.ledger.runs(RunQuery::default())).expect("runs")
    }
}

impl Drop for Interleaving {
    /// Nobody outlives the world, nor a connection to its ledger.
    fn drop(&mut self) {
        for life in &self.lives {
            life.task.abort();
        }
    }
}

pub(crate) const SUCCEEDED: Verdict = Verdict::Answered(ResultStatus::Succeeded, None);
