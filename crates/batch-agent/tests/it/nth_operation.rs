//! The N-th operation of the ledger fails, is done without the agent hearing of it, or is the
//! agent's last, for each N up to the first that a whole run does without (D2, F3, F5).

use cohort_batch_agent::ResultStatus;
use jiff::SignedDuration;
use serde_json::json;

use crate::faulty_ledger::{Moment, Point};
use crate::interleaving::{Interleaving, Verdict};
use crate::stage::{Backend, Stage, daily};

/// What befalls the N-th operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Fails,
    AnswerLost,
    DiesBefore,
    DiesAfter,
}

/// Far more than a life without a fault takes.
const MOST_STEPS: usize = 5_000;

/// Twenty-two users of two groups in chunks of seven, shortly before they are due.
fn stage() -> Stage {
    let stage = Stage::in_memory_at(
        "2026-12-01T08:59:55Z",
        &json!({"chunk_size": 7, "type": "batch_as_object"}),
    );
    for user in 0..22 {
        stage.source.set(&format!("u{user}"), daily(["09:00", "09:01"][user % 2]));
    }
    stage
}

/// Lives through it with this fault at the N-th operation. Returns whether there was an N-th.
async fn live_with(backend: Backend, fault: Fault, nth: u64) -> bool {
    let mut world = Interleaving::on(stage(), backend);
    let (mut has_struck, mut calls) = (false, 0);
    world.start("a", true);
    for _ in 0..MOST_STEPS {
        let waiting = world.waiting().await;
        if world.living().is_empty() {
            world.start("a", true);
        } else if let Some((life, point)) = waiting.first().copied() {
            let is_struck = life == 0 && point.number == nth && strikes(fault, point);
            has_struck |= is_struck;
            let is_answer = point.operation == "handler.call" && point.moment == Moment::After;
            match fault {
                Fault::DiesBefore | Fault::DiesAfter if is_struck => world.kill(life).await,
                _ if is_struck => world.go_on(0, Verdict::Refused),
                // The first call fails, which its purpose's health has to know of (D12).
                _ if is_answer && calls < 2 => {
                    calls += 1;
                    let again = Verdict::Answered(ResultStatus::Retry, Some(3));
                    world.go_on(0, if calls == 1 { Verdict::Refused } else { again });
                }
                _ => world.go_on(0, Verdict::On),
            }
        } else if world.stage.now() > crate::stage::instant("2026-12-01T09:01:30Z")
            && world.is_at_rest()
        {
            assert_eq!(
                world.differences(),
                Vec::<String>::new(),
                "{fault:?} {nth}\n{}",
                world.trace()
            );
            let may_repeat = matches!(fault, Fault::DiesBefore | Fault::DiesAfter);
            assert!(
                may_repeat || world.repeats() == 0,
                "{fault:?} {nth}: called again, and nobody had died\n{}",
                world.trace()
            );
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
        Fault::Fails | Fault::DiesBefore => Moment::Before,
        Fault::AnswerLost | Fault::DiesAfter => Moment::After,
    };
    point.moment == moment && point.operation.starts_with("ledger.")
}

/// Lives through it with each `step`-th operation.
async fn live_with_each(backend: Backend, fault: Fault, step: u64) {
    let mut nth = 1;
    while live_with(backend, fault, nth).await {
        nth += step;
    }
    assert!(nth > 60, "{fault:?}: there were only {nth} operations");
}

#[tokio::test(start_paused = true)]
async fn whichever_operation_fails_each_user_ends_with_one_outcome_and_is_called_once() {
    live_with_each(Backend::Sqlite, Fault::Fails, 1).await;
}

#[tokio::test(start_paused = true)]
async fn whichever_answer_is_lost_each_user_ends_with_one_outcome_and_is_called_once() {
    live_with_each(Backend::Sqlite, Fault::AnswerLost, 1).await;
}

#[tokio::test(start_paused = true)]
async fn whichever_operation_the_agent_dies_before_each_user_ends_with_one_outcome() {
    live_with_each(Backend::Sqlite, Fault::DiesBefore, 1).await;
}

#[tokio::test(start_paused = true)]
async fn whichever_operation_the_agent_dies_after_each_user_ends_with_one_outcome() {
    live_with_each(Backend::Sqlite, Fault::DiesAfter, 1).await;
}

#[tokio::test(start_paused = true)]
async fn on_postgres_too_whichever_operation_fails_or_is_the_last_each_user_ends_with_one_outcome()
{
    let step = step_on_postgres();
    for fault in [Fault::Fails, Fault::AnswerLost, Fault::DiesBefore, Fault::DiesAfter] {
        live_with_each(Backend::Postgres, fault, step).await;
    }
}

/// In the suite some operations do; `COHORT_EACH_OPERATION` asks for all of them.
fn step_on_postgres() -> u64 {
    if std::env::var_os("COHORT_EACH_OPERATION").is_some() { 1 } else { 13 }
}
