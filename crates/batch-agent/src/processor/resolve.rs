//! What an attempt makes of each user: done, failed for good, or to be tried again. Pure decisions
//! (D4 to D6).

use cohort_ledger::{
    Chunk, ChunkResult, FailedReason, OpenMember, Outcome, RetriedAttempt, Run, SkippedReason,
    Status, UsedSettings,
};
use cohort_preferences::Job;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::asked::{clamped, words_of};
use super::backoff;
use super::claimed::Claimed;
use super::health::Evidence;
use crate::clock::saturating_add;
use crate::handler::{LONGEST_EXCERPT, ResultStatus, UserResult, shortened};
use crate::jobs::Purpose;

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
    /// Not called again: the last attempt has used up the last retry (D12).
    Exhausted(OpenMember),
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
    evidence: &Evidence,
    now: Timestamp,
) -> ChunkResult {
    let chunk = &claimed.chunk;
    let was_called = results.iter().any(MemberResult::is_attempt);
    let attempts = chunk.attempts + u32::from(was_called);
    let mut resolving = Resolving::new(claimed, evidence, now);
    for result in results {
        match result {
            MemberResult::Skipped(member, reason) => resolving.skip(&member, reason),
            MemberResult::Waits(member, until) => resolving.wait(member, until),
            MemberResult::Exhausted(member) => resolving.exhaust(&member),
            MemberResult::Called(member, used, result) => resolving.called(member, used, result),
        }
    }
    let Resolving { outcomes, rest, retried, look_at, .. } = resolving;
    let rest = (!rest.is_empty()).then(|| (rest, look_at.unwrap_or(now)));
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
    purpose: &'a Purpose,
    evidence: &'a Evidence,
    /// Picks the points within pauses.
    seed: u64,
    now: Timestamp,
    outcomes: Vec<Outcome>,
    /// Those who stay in the chunk.
    rest: Vec<OpenMember>,
    retried: Vec<RetriedAttempt>,
    /// When the first of those who stay is looked at again.
    look_at: Option<Timestamp>,
}

impl<'a> Resolving<'a> {
    fn new(claimed: &'a Claimed, evidence: &'a Evidence, now: Timestamp) -> Self {
        Self {
            run: &claimed.run,
            job: &claimed.job.job,
            purpose_version: claimed.job.purpose.version(),
            purpose: &claimed.job.purpose,
            evidence,
            seed: claimed.chunk.id as u64,
            now,
            outcomes: Vec::new(),
            rest: Vec::new(),
            retried: Vec::new(),
            look_at: None,
        }
    }

    fn skip(&mut self, member: &OpenMember, reason: SkippedReason) {
        self.outcomes.push(skipped(member, reason));
    }

    fn exhaust(&mut self, member: &OpenMember) {
        let error = member.failed.as_ref().map(|failed| failed.error.clone());
        let status = Status::Failed(FailedReason::RetriesExhausted);
        self.outcomes.push(Outcome { detail: error.map(kept_detail), ..uncalled(member, status) });
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
        if result.status != ResultStatus::Retry {
            return self.end(&member, &used, result);
        }
        let result = if member.failed.is_some() { result } else { self.asked_for_user(result) };
        let (member, counts) = self.judged(member);
        let next_at = self.next_attempt_at(&member, &result, counts);
        if self.may_retry(&member, next_at) {
            self.retried.push(retried_attempt(&member, result));
            let not_before = Some(next_at);
            self.wait(OpenMember { settings: Some(used), not_before, ..member }, next_at);
        } else {
            self.end(&member, &used, result);
        }
    }

    fn end(&mut self, member: &OpenMember, used: &UsedSettings, result: UserResult) {
        let outcome = called_outcome(member, used, result);
        let purpose_version = self.purpose_version;
        self.outcomes.push(Outcome { purpose_version, ..outcome });
    }

    /// The result with what the handler asks for the user in its text (D4).
    fn asked_for_user(&self, result: UserResult) -> UserResult {
        let Some(asked) = result.retry_after_s else { return result };
        let asked = words_of(asked, self.purpose.patience.max_retry_after);
        let error = result.error.map_or_else(|| asked.clone(), |error| format!("{error}; {asked}"));
        UserResult { error: Some(error), ..result }
    }

    /// The member with the failed attempt counted, if it uses up a retry, and whether it does. What
    /// a handler says of one user always counts: it is there (D12).
    fn judged(&self, member: OpenMember) -> (OpenMember, bool) {
        let failed = member.failed.as_ref();
        let counts = failed.is_none_or(|failed| self.evidence.counts(failed, member.failures));
        if counts {
            let failures = member.failures + 1;
            (OpenMember { failures, failed: None, ..member }, true)
        } else {
            (member, false)
        }
    }

    /// When a user may be called again: after the pause, or after what the handler asks for this
    /// user if that is later (D4). What it asks for all holds back the purpose instead.
    fn next_attempt_at(&self, member: &OpenMember, result: &UserResult, counts: bool) -> Timestamp {
        let pause = if counts {
            backoff::pause(member.failures, self.seed)
        } else if self.evidence.is_failing() {
            // Held back by the purpose anyway, and ready when it recovers.
            backoff::pause(1, self.seed)
        } else {
            backoff::pause_while_nothing_succeeds(member.attempts_of_turn(), self.seed)
        };
        let asked = clamped(
            result.retry_after_s.unwrap_or_default(),
            self.purpose.patience.max_retry_after,
        );
        saturating_add(self.now, pause.max(asked))
    }

    /// Whether a member has a retry left, and time for it (D4, D7). Who has none at all is not
    /// called again, also if nothing of the purpose succeeds.
    fn may_retry(&self, member: &OpenMember, next_at: Timestamp) -> bool {
        self.job.retries() > 0
            && member.failures <= self.job.retries()
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
    skip_all(chunk, SkippedReason::Canceled, now)
}

/// What a chunk becomes of which nobody is called any more.
pub(super) fn skip_all(chunk: &Chunk, reason: SkippedReason, now: Timestamp) -> ChunkResult {
    let outcomes = chunk.open.iter().map(|member| skipped(member, reason)).collect();
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
