//! What an attempt makes of each user: done, failed for good, or to be tried again. Pure decisions
//! (D4 to D6).

use cohort_ledger::{
    Chunk, ChunkResult, FailedReason, OpenMember, Outcome, RetriedAttempt, Run, SkippedReason,
    Status, UsedSettings,
};
use cohort_preferences::Job;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::backoff;
use super::claimed::Claimed;
use crate::clock::saturating_add;
use crate::handler::{LONGEST_EXCERPT, ResultStatus, UserResult, shortened};

/// The most bytes of a handler's result that are kept (D11).
const LONGEST_RESULT: usize = 4 << 10;

/// The most bytes of an error that are kept: an excerpt of the answer, and what stands before it.
const LONGEST_DETAIL: usize = LONGEST_EXCERPT + 100;

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

impl MemberResult {
    /// Whether this used up an attempt of the user: a fault of our own side does not (D4).
    fn is_attempt(&self) -> bool {
        let Self::Called(_, _, result) = self else { return false };
        result.as_ref().is_none_or(|result| result.status != ResultStatus::Postponed)
    }
}

/// What the chunk becomes after an attempt that ended so for its members.
pub(super) fn resolve_chunk(
    claimed: &Claimed,
    results: Vec<MemberResult>,
    now: Timestamp,
) -> ChunkResult {
    let chunk = &claimed.chunk;
    let was_called = results.iter().any(MemberResult::is_attempt);
    let attempts = chunk.attempts + u32::from(was_called);
    let pause = backoff::pause(attempts.max(1), chunk.id as u64);
    let mut resolving = Resolving::new(claimed, pause, now);
    for result in results {
        match result {
            MemberResult::Skipped(member, reason) => resolving.skip(&member, reason),
            MemberResult::Waits(member, until) => resolving.wait(member, until),
            MemberResult::Called(member, used, result) => resolving.called(member, used, result),
        }
    }
    let Resolving { outcomes, rest, retried, retry_at, look_at, .. } = resolving;
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

/// A chunk's result, member by member.
struct Resolving<'a> {
    run: &'a Run,
    job: &'a Job,
    /// The version of the purpose that was called (D15).
    purpose_version: Option<u32>,
    /// The shortest wait before another attempt.
    pause: SignedDuration,
    now: Timestamp,
    outcomes: Vec<Outcome>,
    /// Those who stay in the chunk.
    rest: Vec<OpenMember>,
    retried: Vec<RetriedAttempt>,
    /// When the last of those who are tried again may be called.
    retry_at: Option<Timestamp>,
    /// When the first of those who wait is looked at again.
    look_at: Option<Timestamp>,
}

impl<'a> Resolving<'a> {
    fn new(claimed: &'a Claimed, pause: SignedDuration, now: Timestamp) -> Self {
        Self {
            run: &claimed.run,
            job: &claimed.job.job,
            purpose_version: claimed.job.purpose.version(),
            pause,
            now,
            outcomes: Vec::new(),
            rest: Vec::new(),
            retried: Vec::new(),
            retry_at: None,
            look_at: None,
        }
    }

    fn skip(&mut self, member: &OpenMember, reason: SkippedReason) {
        self.outcomes.push(skipped(member, reason));
    }

    fn wait(&mut self, member: OpenMember, until: Timestamp) {
        // Once it is too late, that is recorded without delay.
        let until = until.min(too_late_at(self.job, self.run, &member));
        self.look_at = Some(self.look_at.map_or(until, |at| at.min(until)));
        self.rest.push(member);
    }

    fn called(&mut self, member: OpenMember, used: UsedSettings, result: Option<Box<UserResult>>) {
        let result = result.map_or_else(|| unanswered(self.run), |result| *result);
        if result.status == ResultStatus::Postponed {
            let until = saturating_add(self.now, backoff::pause_after_own_fault(member.ordinal));
            return self.wait(member, until);
        }
        let member = OpenMember { attempts: member.attempts + 1, ..member };
        let next_at = next_attempt_at(&result, self.pause, self.now);
        if result.status == ResultStatus::Retry && self.may_retry(&member, next_at) {
            self.retry_at = self.retry_at.max(Some(next_at));
            self.retried.push(retried_attempt(&member, result));
            self.rest.push(OpenMember { settings: Some(used), ..member });
        } else {
            let outcome = called_outcome(&member, &used, result);
            let purpose_version = self.purpose_version;
            self.outcomes.push(Outcome { purpose_version, ..outcome });
        }
    }

    /// Whether a member has an attempt left, and time for it (D4, D7).
    fn may_retry(&self, member: &OpenMember, next_at: Timestamp) -> bool {
        member.attempts_of_turn() <= self.job.retries()
            && next_at < too_late_at(self.job, self.run, member)
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

/// What a chunk becomes whose only user killed its workers (D5).
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

/// When a user may be called again: after the pause, or after `Retry-After` if that is later (D4).
fn next_attempt_at(result: &UserResult, pause: SignedDuration, now: Timestamp) -> Timestamp {
    let asked = result.retry_after_s.map_or(SignedDuration::ZERO, |seconds| {
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
    });
    saturating_add(now, pause.max(asked))
}

/// The result of a user whom the handler left out: tried again (D5).
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
        purpose_version: None,
        repeats: member.repeats.clone(),
    }
}

fn called_outcome(member: &OpenMember, used: &UsedSettings, result: UserResult) -> Outcome {
    let status = match result.status {
        ResultStatus::Succeeded => Status::Succeeded,
        ResultStatus::Failed => Status::Failed(FailedReason::Rejected),
        ResultStatus::BadAnswer => Status::Failed(FailedReason::BadAnswer),
        ResultStatus::Retry | ResultStatus::Postponed => {
            Status::Failed(FailedReason::RetriesExhausted)
        }
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
        purpose_version: None,
        repeats: member.repeats.clone(),
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
    shortened(&error, LONGEST_DETAIL)
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
