//! The user's chunk: done with, or open and in somebody's hand or nobody's.

use cohort_ledger::{ChunkStanding, ChunkState, HealthState, OpenMember, OutcomeRecord};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::Ending;
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};
use crate::explain::words::times;

/// A chunk that is open for the user.
#[derive(Serialize)]
struct Facts<'a> {
    chunk: i64,
    state: ChunkState,
    size: u64,
    ready_at: Timestamp,
    attempts: u32,
    holder: Option<&'a str>,
    lease_until: Option<Timestamp>,
}

/// The chunk in which the user's work has ended.
pub(crate) fn closed(chunk: &ChunkStanding, outcome: &OutcomeRecord) -> Step {
    let text = format!("chunk {} of {} users", outcome.chunk, chunk.size);
    let facts = json!({"chunk": outcome.chunk, "state": chunk.state, "size": chunk.size});
    Step::new(StepName::Chunk, text, facts)
}

/// The chunk in which the user's work is still open, and what it waits for.
pub(crate) fn open(case: &Case, chunk: &ChunkStanding, member: &OpenMember) -> Ending {
    let tried = tried(case, member);
    let (answer, why) = held_by_purpose(case, chunk.ready_at, &tried).unwrap_or_else(|| {
        match (&chunk.lease, chunk.state) {
            (Some((holder, until)), ChunkState::Claimed) => claimed(case, holder, *until, &tried),
            _ => waiting(case, chunk, member, &tried),
        }
    });
    let facts = Facts {
        chunk: chunk.id,
        state: chunk.state,
        size: chunk.size,
        ready_at: chunk.ready_at,
        attempts: member.attempts,
        holder: chunk.lease.as_ref().map(|(holder, _)| holder.as_str()),
        lease_until: chunk.lease.as_ref().map(|(_, until)| *until),
    };
    Step::new(StepName::Chunk, why, facts).ends_in(answer)
}

/// The purpose is not called now, or hardly, and so the work waits wherever it is (D12).
pub(super) fn held_by_purpose(
    case: &Case,
    ready_at: Timestamp,
    tried: &str,
) -> Option<(Answer, String)> {
    let health = case.user.health.as_ref()?;
    let until = health.until.filter(|until| *until > case.now);
    let (answer, does) = match health.state_at(case.now) {
        HealthState::Healthy | HealthState::Disabled => return None,
        // What is put off for longer than the purpose waits for its own instant.
        HealthState::Slowed if until.is_some_and(|until| until <= ready_at) => return None,
        HealthState::Slowed => (Answer::PurposeSlowed, "is slowed"),
        HealthState::Failing => (Answer::PurposeFailing, "is failing"),
        HealthState::Paused => (Answer::PurposePaused, "is paused"),
    };
    let by = health.set_by.as_ref().map(|by| format!(" by {by}"));
    let until = until.map(|until| match answer {
        Answer::PurposeFailing => format!(", the next probe goes on {}", case.time(until)),
        _ => format!(" until {}", case.time(until)),
    });
    let cause = health.cause.as_ref().or(health.last_error.as_ref());
    let cause = cause.map(|cause| format!(": {cause}"));
    let why = format!(
        "the purpose {} {does} since {}{}{}{}; {tried}",
        health.purpose,
        case.time(health.since),
        by.unwrap_or_default(),
        until.unwrap_or_default(),
        cause.unwrap_or_default(),
    );
    Some((answer, why))
}

fn claimed(case: &Case, holder: &str, until: Timestamp, tried: &str) -> (Answer, String) {
    if until >= case.now {
        let until = case.time(until);
        (Answer::InProgress, format!("the agent {holder} has it in hand until {until}, {tried}"))
    } else {
        let why = format!(
            "the agent {holder} has not been heard of for a while; somebody takes over, {tried}"
        );
        (Answer::WaitingForWorker, why)
    }
}

fn waiting(
    case: &Case,
    chunk: &ChunkStanding,
    member: &OpenMember,
    tried: &str,
) -> (Answer, String) {
    if case.user.is_open_earlier {
        let why = "an earlier run of the user is still open".to_owned();
        return (Answer::WaitingForEarlierRun, why);
    }
    let ready_at = case.time(chunk.ready_at);
    if chunk.ready_at <= case.now {
        let why = format!("ready since {ready_at}, and nobody has claimed it, {tried}");
        (Answer::WaitingForWorker, why)
    } else if member.attempts > 0 {
        let why = format!("{tried}; the next attempt is not before {ready_at}");
        (Answer::WaitingForRetry, why)
    } else {
        (Answer::Postponed, format!("put off until {ready_at}"))
    }
}

/// How often the user's work was attempted.
fn tried(case: &Case, member: &OpenMember) -> String {
    if member.attempts == 0 {
        return "not attempted yet".to_owned();
    }
    let requeued = member
        .requeued
        .as_ref()
        .map_or_else(String::new, |requeued| format!(", requeued on {}", case.time(requeued.at)));
    format!("attempted {}{requeued}", times(member.attempts))
}
