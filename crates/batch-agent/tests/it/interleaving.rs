//! Agents that go on one at a time, from point to point, as a test orders it.
//!
//! ```text
//! life ─► before ─► ledger, Config Database or handler ─► after ─► …        each waits at each point until it is let on
//!   ▲        │ let on · refused · answered so · killed there
//!   └────────┴── the test, while nobody moves
//! ```
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
//! | bug | red |
//! | --- | --- |
//! | outcomes are recorded before the call | both of them: `seeded`, `nth_operation` |
//! | outcomes are recorded without a look at the token (F3) | `seeded`, at seed 0 |
//! | a claim leaves the chunk to others until it is recorded | both, at seed 0 |
//! | handing back hands back others' chunks too | `seeded`, at seed 13 |
//! | a settlement that could not be recorded is given up (F5) | `nth_operation`: called again, and nobody had died |
//! | a chunk in hand is known by its number, without the token, and called for though its claim has run out | `seeded`: a repeat that nothing explains |
//! | runs have no unique key (F3) | `seeded` at seed 2, `nth_operation` where an answer is lost |

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use cohort_batch_agent::{
    AgentClock, Chunk, DynamicBatchScheduler, EnhancedBatchProcessor, Handler, HandlerError,
    Ledger, OutcomeQuery, OutcomeRecord, ResultStatus, Run, RunId, RunQuery, RunState,
    ScheduleError, StatusName, UserResult, Work,
};
use cohort_preferences::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::faulty_ledger::{Fate, FaultyLedger, FaultySource, Moment, Point, Refused, at_once};
use crate::simulation::expected;
use crate::stage::{Backend, Stage};

/// Users who may be called and not yet answered, per agent.
const AT_ONCE: usize = 10;

/// The lease of a claim that is not renewed (F3).
const LEASE: SignedDuration = SignedDuration::from_secs(60);

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

/// What the lives share.
#[derive(Default)]
struct Crowd {
    waiting: Mutex<Vec<Waiting>>,
    events: Mutex<Vec<Event>>,
}

/// A life at a point.
struct Waiting {
    life: usize,
    point: Point,
    go: oneshot::Sender<Verdict>,
}

/// What happened, in this order.
enum Event {
    Claimed { life: usize, at: Timestamp, chunk: Chunk },
    Called(Call),
}

/// One user in a call that has reached the handler.
#[derive(Debug, Clone)]
struct Call {
    life: usize,
    run: RunId,
    tenant: String,
    attempt: u32,
    users: usize,
    /// How many users of this life were called and not yet answered, these included.
    in_flight: usize,
    /// How many events there were when it was made.
    made: usize,
    answer: Option<Verdict>,
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
        self.settle().await;
    }

    /// Asks an agent to end.
    pub(crate) fn stop(&mut self, life: usize) {
        self.note(format!("{}{life} is asked to end", self.lives[life].name));
        self.lives[life].stop.send_replace(true);
    }

    /// Waits until everybody stands at a point or waits for time to pass, and says who stands
    /// where.
    pub(crate) async fn waiting(&mut self) -> Vec<(usize, Point)> {
        self.settle().await;
        let mut waiting = locked(&self.crowd.waiting);
        waiting.retain(|waiting| !waiting.go.is_closed());
        waiting.iter().map(|waiting| (waiting.life, waiting.point)).collect()
    }

    /// Lets the one on that stands at this place of [`Interleaving::waiting`].
    pub(crate) fn go_on(&mut self, place: usize, verdict: Verdict) {
        let Waiting { life, point, go } = locked(&self.crowd.waiting).remove(place);
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

    async fn settle(&mut self) {
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

    /// What the record holds, for comparison with a later one.
    pub(crate) fn recorded(&self) -> Vec<OutcomeRecord> {
        let (outcomes, more) =
            at_once(self.ledger.outcomes(OutcomeQuery::default())).expect("outcomes");
        assert_eq!(more, None, "they fit into one page");
        outcomes
    }

    /// How many users were called again without having asked for it.
    pub(crate) fn repeats(&self) -> usize {
        let events = locked(&self.crowd.events);
        let mut last_calls = BTreeMap::new();
        calls(&events)
            .filter(|(_, call)| {
                last_calls
                    .insert((call.run, &call.tenant), *call)
                    .is_some_and(|earlier| !is_retry(earlier, call))
            })
            .count()
    }

    /// What is not as it should be, now that everything is over.
    pub(crate) fn differences(&self) -> Vec<String> {
        let (runs, outcomes) = (self.runs(), self.recorded());
        let mut differences = differences_of_record(&self.stage, &runs, &outcomes);
        differences.extend(self.differences_of_calls(&outcomes));
        differences
    }

    fn differences_of_calls(&self, outcomes: &[OutcomeRecord]) -> Vec<String> {
        let events = locked(&self.crowd.events);
        let mut differences = Vec::new();
        let mut last_calls: BTreeMap<(RunId, &str), (usize, &Call)> = BTreeMap::new();
        for (_, call) in calls(&events) {
            let Some(claim) = claim_of(&events, call) else {
                differences.push(format!("called without a claim: {call:?}"));
                continue;
            };
            if call.users > self.stage.job.chunk_size {
                differences.push(format!("too many users in a call: {call:?}"));
            }
            if call.in_flight > AT_ONCE {
                differences.push(format!("too many users at once (D3): {call:?}"));
            }
            if let Some((earlier_claim, earlier)) =
                last_calls.insert((call.run, &call.tenant), (claim, call))
                && !is_retry(earlier, call)
                && !self.has_passed_on(&events, earlier_claim.min(claim), earlier_claim.max(claim))
            {
                differences.push(format!(
                    "a repeat that nothing explains (D2): {earlier:?}, then {call:?}"
                ));
            }
        }
        let done: BTreeSet<_> = calls(&events)
            .filter(|(_, call)| call.answer == Some(SUCCEEDED))
            .map(|(_, call)| (call.run, &*call.tenant))
            .collect();
        let unearned = outcomes.iter().filter(|outcome| {
            outcome.status == StatusName::Succeeded
                && !done.contains(&(outcome.run_id, outcome.tenant_id.as_str()))
        });
        differences.extend(
            unearned.map(|outcome| format!("recorded as done, and it was not: {outcome:?}")),
        );
        differences
    }

    /// Whether a claim was over when another was made: its life had ended, or its lease had run
    /// out.
    fn has_passed_on(&self, events: &[Event], claim: usize, next: usize) -> bool {
        let (Event::Claimed { life, at, .. }, Event::Claimed { at: next_at, .. }) =
            (&events[claim], &events[next])
        else {
            return false;
        };
        let has_ended = self.lives[*life].ended.is_some_and(|ended| ended <= next);
        claim < next && (has_ended || next_at.duration_since(*at) >= LEASE)
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

/// Each attempt but the first follows an answer that asked for it (D4).
fn is_retry(earlier: &Call, call: &Call) -> bool {
    let asked_for = matches!(
        earlier.answer,
        Some(Verdict::Refused | Verdict::Answered(ResultStatus::Retry, _))
    );
    asked_for && call.attempt == earlier.attempt + 1
}

fn calls(events: &[Event]) -> impl Iterator<Item = (usize, &Call)> {
    events.iter().enumerate().filter_map(|(at, event)| match event {
        Event::Called(call) => Some((at, call)),
        Event::Claimed { .. } => None,
    })
}

/// The claim under which a call was made.
fn claim_of(events: &[Event], call: &Call) -> Option<usize> {
    // The source counts its users from 1.
    let number: u64 = call.tenant[1..].parse::<u64>().expect("a user of the stage") + 1;
    let is_of_call = |event: &Event| match event {
        Event::Claimed { life, chunk, .. } => {
            *life == call.life
                && chunk.run == call.run
                && chunk.open.iter().any(|member| member.number == number)
        }
        Event::Called(_) => false,
    };
    events[..call.made].iter().rposition(is_of_call)
}

fn differences_of_record(stage: &Stage, runs: &[Run], outcomes: &[OutcomeRecord]) -> Vec<String> {
    let mut differences = Vec::new();
    let name = |outcome: &OutcomeRecord| {
        (outcome.tenant_id.to_string(), outcome.nominal.to_string(), outcome.timezone.clone())
    };
    let (got, expected): (BTreeSet<_>, _) = (outcomes.iter().map(name).collect(), expected(stage));
    differences
        .extend(expected.difference(&got).map(|lacking| format!("lacking (D2): {lacking:?}")));
    differences.extend(got.difference(&expected).map(|strange| format!("strange: {strange:?}")));
    if got.len() != outcomes.len() {
        differences.push(format!("{} outcomes of {} (D2)", outcomes.len(), got.len()));
    }
    let ran: Vec<_> = outcomes
        .iter()
        .filter(|o| o.status != StatusName::Skipped)
        .map(|o| (&o.tenant_id, o.nominal.date()))
        .collect();
    if ran.iter().collect::<BTreeSet<_>>().len() != ran.len() {
        differences.push("somebody ran twice on one date (M6)".into());
    }
    let mut chunks: BTreeMap<i64, usize> = BTreeMap::new();
    for outcome in outcomes {
        *chunks.entry(outcome.chunk).or_default() += 1;
    }
    if chunks.values().any(|users| *users > stage.job.chunk_size) {
        differences.push(format!("a chunk is too large (D3): {chunks:?}"));
    }
    for run in runs {
        let rows = |status| {
            outcomes
                .iter()
                .filter(|outcome| outcome.run_id == run.id && outcome.status == status)
                .count() as u64
        };
        let (counts, of_rows) = (
            run.counts,
            [StatusName::Succeeded, StatusName::Failed, StatusName::Skipped].map(rows),
        );
        let is_counted = [counts.succeeded, counts.failed, counts.skipped] == of_rows
            && counts.members == of_rows.iter().sum::<u64>();
        if !is_counted || run.state != RunState::Closed || run.counts.missed > 0 {
            differences.push(format!(
                "counters differ from the rows, or it is not closed: {of_rows:?} {run:?}"
            ));
        }
    }
    differences
}

/// A life as the ledger, the Config Database and the handler meet it.
struct Fated {
    life: usize,
    crowd: Arc<Crowd>,
    clock: TimersClock,
    calls: AtomicU64,
    /// Users called and not yet answered.
    in_flight: AtomicUsize,
}

impl Fated {
    async fn wait(&self, point: Point) -> Verdict {
        let (go, told) = oneshot::channel();
        locked(&self.crowd.waiting).push(Waiting { life: self.life, point, go });
        match told.await {
            Ok(verdict) => verdict,
            Err(_nobody_orders_it_any_more) => std::future::pending().await,
        }
    }

    fn note_claimed<'a>(&self, chunks: impl IntoIterator<Item = &'a Chunk>) {
        let claimed = |chunk: &Chunk| Event::Claimed {
            life: self.life,
            at: self.clock.now(),
            chunk: chunk.clone(),
        };
        locked(&self.crowd.events).extend(chunks.into_iter().map(claimed));
    }

    /// Notes that a call has arrived. Returns where the events of its users are.
    fn note_call(&self, work: &Work, made: usize) -> Range<usize> {
        let users = work.users.len();
        let in_flight = self.in_flight.fetch_add(users, Ordering::Relaxed) + users;
        let mut events = locked(&self.crowd.events);
        let first = events.len();
        events.extend(work.users.iter().map(|user| {
            let (life, run, tenant, attempt) =
                (self.life, work.run_id, user.tenant_id.to_string(), user.attempt);
            Event::Called(Call { life, run, tenant, attempt, users, in_flight, made, answer: None })
        }));
        first..events.len()
    }

    fn note_answer(&self, calls: Range<usize>, verdict: Verdict) {
        self.in_flight.fetch_sub(calls.len(), Ordering::Relaxed);
        for event in &mut locked(&self.crowd.events)[calls] {
            if let Event::Called(call) = event {
                call.answer = Some(verdict);
            }
        }
    }
}

#[async_trait]
impl Fate for Fated {
    async fn meet(&self, point: Point) -> Result<(), Refused> {
        if self.wait(point).await == Verdict::Refused { Err(Refused) } else { Ok(()) }
    }

    fn overhear(&self, answer: &dyn Any) {
        if let Some(chunks) = answer.downcast_ref::<Vec<Chunk>>() {
            self.note_claimed(chunks);
        } else if let Some(suspect) = answer.downcast_ref::<Option<Chunk>>() {
            self.note_claimed(suspect);
        } else if let Some(pages) = answer.downcast_ref::<Vec<Option<Vec<Chunk>>>>() {
            self.note_claimed(pages.iter().flatten().flatten());
        }
    }
}

#[async_trait]
impl Handler for Fated {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let (operation, number) = ("handler.call", self.calls.fetch_add(1, Ordering::Relaxed) + 1);
        let unreachable =
            || HandlerError::Retry { detail: "as fate will have it".into(), retry_after_s: None };
        let made = locked(&self.crowd.events).len();
        if self.wait(Point { moment: Moment::Before, operation, number }).await == Verdict::Refused
        {
            return Err(unreachable());
        }
        let calls = self.note_call(work, made);
        let verdict = match self.wait(Point { moment: Moment::After, operation, number }).await {
            Verdict::On => SUCCEEDED,
            verdict => verdict,
        };
        self.note_answer(calls, verdict);
        let Verdict::Answered(status, retry_after_s) = verdict else { return Err(unreachable()) };
        let of_user =
            |tenant_id| UserResult { status, retry_after_s, ..UserResult::succeeded(tenant_id) };
        Ok(work.users.iter().map(|user| of_user(user.tenant_id.clone())).collect())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
