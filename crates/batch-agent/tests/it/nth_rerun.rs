//! The N-th operation of a rerun fails, is done without the agent hearing of it, is the agent's
//! last, or is where an operator stops everything (D2, D13, D14).

use std::collections::BTreeMap;

use cohort_batch_agent::{
    Firing, NewRerun, NewRun, OutcomeRecord, Run, RunId, RunQuery, RunState, Selection, StatusName,
};
use jiff::SignedDuration;
use serde_json::json;

use crate::faulty_ledger::{Moment, Point, at_once};
use crate::interleaving::{Interleaving, Verdict};
use crate::stage::{Backend, Stage, daily, instant};

/// What befalls the N-th operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Fails,
    AnswerLost,
    DiesBefore,
    DiesAfter,
    Stop,
}

const USERS: usize = 22;

/// Far more than a life without a fault takes.
const MOST_STEPS: usize = 5_000;

/// The life in which the rerun is done.
const OF_RERUN: usize = 1;

/// Users whose nine o'clock has been done, before anybody lives who does it again.
async fn after_nine(backend: Backend) -> Interleaving {
    let stage = Stage::in_memory_at("2026-12-01T08:59:55Z", &json!({"chunk_size": 7}));
    for user in 0..USERS {
        stage.source.set(&format!("u{user}"), daily("09:00"));
    }
    let mut world = Interleaving::on(stage, backend);
    world.start("a", true);
    while world.stage.now() <= instant("2026-12-01T09:00:30Z") || !world.is_at_rest() {
        if world.waiting().await.is_empty() {
            world.pass(SignedDuration::from_secs(5)).await;
        } else {
            world.go_on(0, Verdict::On);
        }
    }
    world.kill(0).await;
    world
}

/// Opens a rerun of everybody.
fn open(world: &Interleaving) -> RunId {
    let ledger = world.ledger();
    let nine = at_once(ledger.runs(RunQuery::default())).expect("runs").remove(0);
    let job = world.stage.job.job_id.clone();
    let run = NewRun {
        job_version: None,
        feature_type: nine.feature_type,
        group: nine.group,
        stated: Vec::new(),
        occurrence: Firing::rerun(world.stage.now(), None),
        priority: world.stage.job.priority,
        unprocessed: None,
    };
    let selection =
        Selection { jobs: vec![job.clone()], without_reruns: true, ..Selection::default() };
    let rerun = NewRerun { job, run, selection };
    at_once(ledger.open_reruns(vec![rerun], world.stage.now())).expect("opened")[0]
}

/// Lives through it with this fault at the N-th operation. Returns whether there was an N-th.
async fn live_with(backend: Backend, fault: Fault, nth: u64) -> bool {
    let mut world = after_nine(backend).await;
    let rerun = open(&world);
    let mut has_struck = false;
    world.start("a", true);
    for _ in 0..MOST_STEPS {
        let waiting = world.waiting().await;
        if world.living().is_empty() {
            world.start("a", true);
        } else if let Some((life, point)) = waiting.first().copied() {
            let is_struck = life == OF_RERUN && point.number == nth && strikes(fault, point);
            has_struck |= is_struck;
            match fault {
                Fault::DiesBefore | Fault::DiesAfter if is_struck => world.kill(life).await,
                Fault::Stop if is_struck => {
                    stop(&world);
                    world.go_on(0, Verdict::On);
                }
                _ if is_struck => world.go_on(0, Verdict::Refused),
                _ => world.go_on(0, Verdict::On),
            }
        } else if run(&world, rerun).state == RunState::Closed {
            assert_each_ended_once(&world, rerun, &format!("{fault:?} {nth}"));
            return has_struck;
        } else {
            world.pass(SignedDuration::from_secs(5)).await;
        }
    }
    panic!("{fault:?} {nth}: it does not come to an end\n{}", world.trace());
}

/// Whether this is where the fault strikes an operation.
fn strikes(fault: Fault, point: Point) -> bool {
    let moment = match fault {
        Fault::Fails | Fault::DiesBefore | Fault::Stop => Moment::Before,
        Fault::AnswerLost | Fault::DiesAfter => Moment::After,
    };
    point.moment == moment && point.operation.starts_with("ledger.")
}

fn stop(world: &Interleaving) {
    let (jobs, now) = ([world.stage.job.job_id.clone()], world.stage.now());
    at_once(world.ledger().stop(&jobs, &Selection::default(), now)).expect("stopped");
}

fn run(world: &Interleaving, id: RunId) -> Run {
    at_once(world.ledger().run(id)).expect("reads").expect("a run")
}

fn assert_each_ended_once(world: &Interleaving, rerun: RunId, told: &str) {
    let outcomes = world.recorded();
    let again: Vec<&OutcomeRecord> =
        outcomes.iter().filter(|outcome| outcome.run_id == rerun).collect();
    let mut by_user: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in &again {
        *by_user.entry(outcome.tenant_id.as_str()).or_default() += 1;
        assert!(outcome.repeats.is_some(), "{told}: {outcome:?}");
    }
    let counts = run(world, rerun).counts;
    let trace = world.trace();
    assert!(by_user.values().all(|outcomes| *outcomes == 1), "{told}: {by_user:?}\n{trace}");
    assert_eq!(again.len() as u64 + counts.unread, USERS as u64, "{told}\n{trace}");
    let skipped = again.iter().filter(|outcome| outcome.status == StatusName::Skipped).count();
    assert_eq!(counts.skipped, skipped as u64 + counts.unread, "{told}\n{trace}");
    assert_eq!(outcomes.len(), USERS + again.len(), "{told}: nothing else is touched\n{trace}");
}

/// Lives through it with each `step`-th operation.
async fn live_with_each(backend: Backend, fault: Fault, step: u64) {
    let mut nth = 1;
    while live_with(backend, fault, nth).await {
        nth += step;
    }
    assert!(nth > 15, "{fault:?}: there were only {nth} operations");
}

#[tokio::test(start_paused = true)]
async fn whichever_operation_of_a_rerun_fails_or_is_the_last_each_user_ends_with_one_outcome() {
    for fault in [Fault::Fails, Fault::AnswerLost, Fault::DiesBefore, Fault::DiesAfter] {
        live_with_each(Backend::Sqlite, fault, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_everything_is_stopped_each_user_of_a_rerun_ends_with_one_outcome() {
    live_with_each(Backend::Sqlite, Fault::Stop, 1).await;
}

#[tokio::test(start_paused = true)]
async fn on_postgres_too_each_user_of_a_rerun_ends_with_one_outcome() {
    for fault in [Fault::AnswerLost, Fault::DiesAfter, Fault::Stop] {
        live_with_each(Backend::Postgres, fault, 7).await;
    }
}
