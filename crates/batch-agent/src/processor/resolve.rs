//! What an attempt makes of each user: done, failed for good, or to be tried again. Pure decisions
//! (D4 to D6).

use cohort_preferences::Job;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::backoff;
use super::claimed::Claimed;
use crate::clock::saturating_add;
use crate::handler::{ResultStatus, UserResult};
use cohort_ledger::{
    Chunk, ChunkResult, FailedReason, OpenMember, Outcome, RetriedAttempt, Run, SkippedReason,
    Status, UsedSettings,
};

/// The most bytes of a handler's result that are kept (D11).
const LONGEST_RESULT: usize = 4 << 10;

/// The most characters of an error that are kept.
const LONGEST_DETAIL: usize = 500;

/// One member after an attempt.
#[derive(Debug)]
pub(super) enum MemberResult {
    /// Not called: why.
    Skipped(OpenMember, SkippedReason),
    /// Not called yet, and to be looked at again at this instant: an earlier run is still open for
    /// the user (F10), the purpose is slowed or its retries are used up (D4), or the agent is
    /// stopping (F6).
    Waits(OpenMember, Timestamp),
    /// Called, with these settings and this result; `None` if the handler said nothing of the user.
    Called(OpenMember, UsedSettings, Option<Box<UserResult>>),
}

/// What the chunk becomes after an attempt that ended so for its members.
pub(super) fn resolve_chunk(
    claimed: &Claimed,
    results: Vec<MemberResult>,
    now: Timestamp,
) -> ChunkResult {
    let (chunk, run, job) = (&claimed.chunk, &*claimed.run, &*claimed.job.job);
    let called = results.iter().any(|result| matches!(result, MemberResult::Called(..)));
    let attempts = chunk.attempts + u32::from(called);
    let pause = backoff::pause(attempts.max(1), chunk.id as u64);
    let mut outcomes = Vec::with_capacity(results.len());
    let (mut rest, mut retried) = (Vec::new(), Vec::new());
    let (mut retry_at, mut look_at) = (None, None);
    for result in results {
        let (member, used, result) = match result {
            MemberResult::Skipped(member, reason) => {
                outcomes.push(skipped(&member, reason));
                continue;
            }
            MemberResult::Waits(member, until) => {
                // Once it is too late, that is recorded without delay.
                let until = until.min(too_late_at(job, run, &member));
                look_at = look_at.map_or(Some(until), |at: Timestamp| Some(at.min(until)));
                rest.push(member);
                continue;
            }
            MemberResult::Called(member, used, result) => {
                (member, used, result.map_or_else(|| unanswered(run), |result| *result))
            }
        };
        let next_at = next_attempt_at(&result, pause, now);
        let member = OpenMember { attempts: member.attempts + 1, ..member };
        let may_retry =
            member.attempts_of_turn() <= job.retries() && next_at < too_late_at(job, run, &member);
        if result.status == ResultStatus::Retry && may_retry {
            retry_at = retry_at.max(Some(next_at));
            retried.push(retried_attempt(&member, result));
            rest.push(OpenMember { settings: Some(used), ..member });
        } else {
            outcomes.push(called_outcome(&member, &used, result));
        }
    }
    let rest = (!rest.is_empty()).then(|| (rest, retry_at.or(look_at).unwrap_or(now)));
    ChunkResult {
        chunk: chunk.id,
        run: chunk.run,
        token: chunk.token,
        attempts,
        outcomes,
        rest,
        retried,
        at: now,
    }
}

/// From when on no attempt may begin any more (D4, D7).
pub(super) fn too_late_at(job: &Job, run: &Run, member: &OpenMember) -> Timestamp {
    let latest = job
        .deadline
        .map_or(Timestamp::MAX, |deadline| saturating_add(member.due_at(run), deadline));
    saturating_add(latest, SignedDuration::from_micros(1))
}

/// What the chunk of a canceled run becomes: nobody in it is called any more.
pub(super) fn cancel(chunk: &Chunk, now: Timestamp) -> ChunkResult {
    let outcomes =
        chunk.open.iter().map(|member| skipped(member, SkippedReason::Canceled)).collect();
    ChunkResult { outcomes, rest: None, ..postpone(chunk, now, now) }
}

/// What the chunk becomes if nothing could be attempted: the same, later.
pub(super) fn postpone(chunk: &Chunk, until: Timestamp, now: Timestamp) -> ChunkResult {
    let rest = Some((chunk.open.clone(), until));
    let (attempts, outcomes, retried) = (chunk.attempts, Vec::new(), Vec::new());
    ChunkResult {
        chunk: chunk.id,
        run: chunk.run,
        token: chunk.token,
        attempts,
        outcomes,
        rest,
        retried,
        at: now,
    }
}

/// What a chunk becomes whose one user killed its workers (D5).
pub(super) fn poisoned(chunk: &Chunk, now: Timestamp) -> ChunkResult {
    let outcome = |member: &OpenMember| Outcome {
        detail: Some(format!(
            "{} workers died while they had this user's work in hand",
            chunk.deaths
        )),
        ..uncalled(member, Status::Failed(FailedReason::Poison))
    };
    ChunkResult {
        outcomes: chunk.open.iter().map(outcome).collect(),
        rest: None,
        ..postpone(chunk, now, now)
    }
}

/// `Retry-After` is a floor under our own pause (D4).
fn next_attempt_at(result: &UserResult, pause: SignedDuration, now: Timestamp) -> Timestamp {
    let asked = result.retry_after_s.map_or(SignedDuration::ZERO, |seconds| {
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
    });
    saturating_add(now, pause.max(asked))
}

/// A user missing from the results is tried again (D5).
fn unanswered(run: &Run) -> UserResult {
    UserResult {
        tenant_id: "-".parse().expect("a tenant id; it is not read again"),
        status: ResultStatus::Retry,
        error: Some(format!("the handler's answer for run {} left this user out", run.id)),
        retry_after_s: None,
        result: None,
        result_url: None,
    }
}

fn skipped(member: &OpenMember, reason: SkippedReason) -> Outcome {
    // Work that was begun and ran out of time has failed; only what was never begun has expired
    // (A2).
    let status = match reason {
        SkippedReason::Expired if member.attempts > 0 => {
            Status::Failed(FailedReason::RetriesExhausted)
        }
        reason => Status::Skipped(reason),
    };
    uncalled(member, status)
}

/// The end of a member without a call.
fn uncalled(member: &OpenMember, status: Status) -> Outcome {
    Outcome {
        ordinal: member.ordinal,
        number: member.number,
        status,
        detail: None,
        attempts: member.attempts,
        preference_version: member.settings.as_ref().and_then(UsedSettings::stated_version),
        stale: false,
        result: None,
    }
}

fn called_outcome(member: &OpenMember, used: &UsedSettings, result: UserResult) -> Outcome {
    let status = match result.status {
        ResultStatus::Succeeded => Status::Succeeded,
        ResultStatus::Failed => Status::Failed(FailedReason::Rejected),
        ResultStatus::Retry => Status::Failed(FailedReason::RetriesExhausted),
    };
    Outcome {
        ordinal: member.ordinal,
        number: member.number,
        status,
        detail: result.error.filter(|_| status != Status::Succeeded).map(kept_detail),
        attempts: member.attempts,
        preference_version: used.stated_version(),
        stale: used.stale,
        result: kept_result(result.result, result.result_url),
    }
}

fn retried_attempt(member: &OpenMember, result: UserResult) -> RetriedAttempt {
    let error = result.error.map(kept_detail);
    RetriedAttempt {
        ordinal: member.ordinal,
        number: member.number,
        attempt: member.attempts,
        error,
    }
}

fn kept_detail(error: String) -> String {
    error.chars().take(LONGEST_DETAIL).collect()
}

fn kept_result(result: Option<Value>, url: Option<String>) -> Option<Value> {
    let result = url.map_or(result, |url| Some(json!({ "result_url": url })))?;
    let size = result.to_string().len();
    Some(if size <= LONGEST_RESULT {
        result
    } else {
        json!({ "dropped": format!("the result has {size} bytes, at most {LONGEST_RESULT} are \
            kept") })
    })
}
