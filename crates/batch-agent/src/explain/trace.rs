//! From facts to an answer: the steps in their order, and the first that decides. Pure.
//!
//! ```text
//! job ─► preference ─► defaults ─► schedule ─► planning ─► run ─► member ─► chunk ─► attempt ─► outcome
//! ```
//!
//! What the ledger has recorded of the user at the instant is stronger than what the preferences
//! say should have been: with a place in a run, the steps before it only tell the circumstances.

use cohort_preferences::{Enroll, JobId, Occurrence, PreferenceGroup, Schedule, TenantId};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::Answer;
use super::choose::Chosen;
use super::explanation::{Explanation, Step, StepName};
use super::moment::Moment;
use super::timeline::{MembershipInterval, NoGroup, StatedPreference, Timeline, firing_before};
use super::words::{self, day_and_time, rough, time_of};
use crate::jobs::JobHistory;
use cohort_ledger::{
    ChunkStanding, ChunkState, FailedAttempt, LedgerError, OpenMember, OutcomeRecord, Place, Run,
    RunState, StatusName, WorkStanding,
};

/// An occurrence younger than this may still be about to be planned.
const ABOUT_TO_BE_PLANNED_S: i64 = 60;

/// All that is known.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) now: Timestamp,
    pub(super) tenant_id: TenantId,
    pub(super) job_id: JobId,
    pub(super) asked: Moment,
    /// `None` if there is no such job.
    pub(super) job: Option<JobHistory>,
    /// `None` if there is no such user.
    pub(super) user: Option<UserFacts>,
}

/// What is known of a user.
#[derive(Debug)]
pub(super) struct UserFacts {
    pub(super) timeline: Timeline,
    pub(super) chosen: Chosen,
    /// Whether the tenant is one of those whom a static job serves; `None` if it does not matter.
    pub(super) is_selected: Option<bool>,
    /// Where the ledger has the user at the instant.
    pub(super) place: Option<Place>,
    /// The run of the occurrence, whether the user is in it or not.
    pub(super) run: Option<Run>,
    /// Whether an earlier run of the job is still open for the user (F10).
    pub(super) is_open_earlier: bool,
    /// From when on the ledger keeps everything; `None` if it has never forgotten anything.
    pub(super) kept_since: Option<Timestamp>,
}

/// What ends a trace.
struct Ending {
    answer: Answer,
    why: String,
}

/// Explains what the facts say.
///
/// # Errors
/// [`LedgerError::Corrupt`] if an outcome's reason is not of the closed set (A2).
pub(super) fn explain(facts: Facts) -> Result<Explanation, LedgerError> {
    let mut steps = Vec::new();
    let Ending { answer, why } = trace(&facts, &mut steps)?;
    let chosen = facts.user.as_ref().map(|user| &user.chosen);
    let sentence = sentence(&facts, answer, &why);
    Ok(Explanation {
        at: chosen.map(|chosen| chosen.at),
        nominal: chosen
            .and_then(|chosen| chosen.occurrence.as_ref())
            .map(|(_, occurrence)| occurrence.nominal),
        timezone: chosen.map(|chosen| chosen.zone.name().to_owned()),
        chosen: chosen.and_then(|chosen| chosen.note.clone()),
        tenant_id: facts.tenant_id,
        job_id: facts.job_id,
        asked: facts.asked,
        answer,
        sentence,
        advice: answer.advice(),
        trace: steps,
    })
}

fn sentence(facts: &Facts, answer: Answer, why: &str) -> String {
    let tenant = &facts.tenant_id;
    let Some(user) = &facts.user else { return why.to_owned() };
    let Chosen { at, zone, .. } = &user.chosen;
    let when = day_and_time(*at, zone, facts.now);
    match answer {
        Answer::Succeeded => format!("{tenant} was run on {when}: {why}"),
        Answer::Rejected | Answer::RetriesExhausted | Answer::Poison | Answer::UnknownResult => {
            format!("{tenant} was run on {when}, and it failed: {why}")
        }
        Answer::InProgress
        | Answer::WaitingForRetry
        | Answer::WaitingForWorker
        | Answer::WaitingForEarlierRun
        | Answer::Postponed
        | Answer::WaitingForMembers
        | Answer::NotYetPlanned => format!("{tenant} is still to be run for {when}: {why}"),
        Answer::NotYetDue => format!("{tenant} will be run on {when}: {why}"),
        _ if *at > facts.now => format!("{tenant} will not be run on {when}: {why}"),
        _ => format!("{tenant} was not run on {when}: {why}"),
    }
}

fn trace(facts: &Facts, steps: &mut Vec<Step>) -> Result<Ending, LedgerError> {
    let Some(job) = &facts.job else {
        let why = format!("there is no job {}", facts.job_id);
        return Ok(end(
            steps,
            StepName::Job,
            Answer::UnknownJob,
            why,
            json!({"job_id": facts.job_id}),
        ));
    };
    let Some(user) = &facts.user else {
        let why = format!(
            "there is no user {}: there never was, or the person has been erased",
            facts.tenant_id
        );
        return Ok(end(
            steps,
            StepName::User,
            Answer::UnknownUser,
            why,
            json!({"tenant_id": facts.tenant_id}),
        ));
    };
    let tracing = Tracing { facts, job, user, stay: user.timeline.at(user.chosen.at) };
    let expected = tracing.expected(steps);
    match &user.place {
        Some(place) => tracing.recorded(place, steps),
        None => Ok(expected.unwrap_or_else(|| tracing.unrecorded(steps))),
    }
}

fn end(steps: &mut Vec<Step>, name: StepName, answer: Answer, why: String, facts: Value) -> Ending {
    steps.push(Step::new(name, why.clone(), facts));
    Ending { answer, why }
}

/// A trace of a job and a user that there are.
struct Tracing<'a> {
    facts: &'a Facts,
    job: &'a JobHistory,
    user: &'a UserFacts,
    /// The user's stay at the instant.
    stay: &'a MembershipInterval,
}

impl Tracing<'_> {
    /// What the job and the preferences say should have been. `Some` if nothing should, and why.
    fn expected(&self, steps: &mut Vec<Step>) -> Option<Ending> {
        let has_place = self.user.place.is_some();
        let ending = self.job_step(steps);
        if ending.is_some() && !has_place {
            return ending;
        }
        let ending = self.preference_step(steps);
        if ending.is_some() && !has_place {
            return ending;
        }
        let ending = self.schedule_step(steps);
        if ending.is_some() { ending } else { self.still_to_come(steps) }
    }

    fn job_step(&self, steps: &mut Vec<Step>) -> Option<Ending> {
        let at = self.at();
        let began = self.job.standing.map(|standing| standing.began);
        let Some(version) = self.job.version_at(at) else {
            let first = self.job.versions[0].applied_at;
            let why =
                format!("the job {} was applied only on {}", self.facts.job_id, self.time(first));
            return Some(end(
                steps,
                StepName::Job,
                Answer::JobNotYetApplied,
                why,
                json!({"applied_at": first}),
            ));
        };
        let facts = json!({
            "version": version.version, "applied_at": known(version.applied_at),
            "applied_by": version.applied_by,
            "paused": self.pause_covers(at)
        });
        if version.job.is_none() {
            let why = format!(
                "the job {} was removed on {} by {}",
                self.facts.job_id,
                self.time(version.applied_at),
                version.applied_by
            );
            return Some(end(steps, StepName::Job, Answer::JobRemoved, why, facts));
        }
        // A job that comes back after it was removed begins anew, and a later version may tell no
        // more of then.
        if let Some(began) = began.filter(|began| at < *began) {
            let why = format!(
                "the job {} plans nothing from before {}, when it was applied",
                self.facts.job_id,
                self.time(began)
            );
            return Some(end(
                steps,
                StepName::Job,
                Answer::JobNotYetApplied,
                why,
                json!({"began": began}),
            ));
        }
        let paused = if self.pause_covers(at) { "; it was paused then" } else { "" };
        let text = match version.version {
            Some(number) => format!(
                "version {number}, applied on {} by {}{paused}",
                self.time(version.applied_at),
                version.applied_by
            ),
            None => format!("it is part of the agent's program{paused}"),
        };
        steps.push(Step::new(StepName::Job, text, facts));
        None
    }

    fn preference_step(&self, steps: &mut Vec<Step>) -> Option<Ending> {
        let name = StepName::Preference;
        match &self.stay.wish {
            StatedPreference::Irrelevant => self.selection_step(steps),
            StatedPreference::Forgotten => {
                let why = "what was stated then is no longer kept".to_owned();
                Some(end(steps, name, Answer::BeforeRetention, why, json!({"version": null})))
            }
            StatedPreference::Nothing { is_enrolled: true } => {
                steps.push(Step::new(
                    name,
                    "nothing was ever stated, and the job serves everyone",
                    json!({"version": 0, "enrolled": true}),
                ));
                None
            }
            StatedPreference::Nothing { is_enrolled: false } => Some(self.nothing_stated(steps)),
            StatedPreference::Deleted { version, since } => {
                let why = format!(
                    "the preference was deleted on {} (version {version})",
                    self.time(*since)
                );
                Some(end(
                    steps,
                    name,
                    Answer::Deleted,
                    why,
                    json!({"version": version, "set_at": since, "deleted": true}),
                ))
            }
            StatedPreference::Stated { version, since, preference } => {
                let facts = json!({
                    "version": version, "set_at": since, "enabled": preference.is_enabled(),
                    "snoozed_until": preference.snoozed_until,
                    "skip_next": preference.skip_next
                });
                if !preference.is_enabled() {
                    let why = format!("switched off on {} (version {version})", self.time(*since));
                    return Some(end(steps, name, Answer::Disabled, why, facts));
                }
                steps.push(Step::new(
                    name,
                    format!("version {version}, set on {}", self.time(*since)),
                    facts,
                ));
                None
            }
        }
    }

    fn selection_step(&self, steps: &mut Vec<Step>) -> Option<Ending> {
        if self.user.is_selected == Some(false) {
            let why =
                "the tenant is not among those whom the job's filters leave, or was not there yet"
                    .to_owned();
            return Some(end(
                steps,
                StepName::Preference,
                Answer::NotSelected,
                why,
                json!({"selected": false}),
            ));
        }
        let text =
            "the job has a schedule of its own, and the tenant is among those whom it serves";
        steps.push(Step::new(StepName::Preference, text, json!({"selected": true})));
        None
    }

    fn nothing_stated(&self, steps: &mut Vec<Step>) -> Ending {
        let facts = json!({"version": 0, "enrolled": false});
        let later = self.user.timeline.after(self.at()).and_then(|next| match &next.wish {
            StatedPreference::Stated { version, since, .. } => Some((*version, *since, next)),
            _ => None,
        });
        match later {
            Some((version, since, next)) if next.firing_at(self.at()).is_some() => {
                let why =
                    format!("nothing was stated before {} (version {version})", self.time(since));
                end(steps, StepName::Preference, Answer::JoinedTooLate, why, facts)
            }
            Some((version, since, _)) => {
                let why = format!(
                    "nothing was stated yet; the first preference is of {} (version {version})",
                    self.time(since)
                );
                end(steps, StepName::Preference, Answer::NeverStated, why, facts)
            }
            None if self.serves_everyone() => {
                let why = "the tenant was not there yet".to_owned();
                end(steps, StepName::Preference, Answer::NotSelected, why, facts)
            }
            None => {
                let why =
                    "nothing was ever stated, and the job serves only those who have".to_owned();
                end(steps, StepName::Preference, Answer::NeverStated, why, facts)
            }
        }
    }

    fn schedule_step(&self, steps: &mut Vec<Step>) -> Option<Ending> {
        let group = match &self.stay.group {
            Ok(group) => group,
            Err(NoGroup::Lacks(field)) => {
                let why = format!("neither the preference nor any default states the {field}");
                return Some(end(
                    steps,
                    StepName::Defaults,
                    Answer::NoFrequency,
                    why,
                    json!({"lacks": field}),
                ));
            }
            Err(NoGroup::NothingStated) => return None,
        };
        let facts = json!({"frequency": group.frequency(), "time_key": group.time_key(),
            "timezone": group.timezone().name()});
        steps.push(Step::new(
            StepName::Defaults,
            format!("with the defaults it comes to {}", words::group(group)),
            facts,
        ));
        if let Some(occurrence) = self.stay.firing_at(self.at()) {
            let text = format!("it fires then: {}", occurrence.nominal);
            steps.push(Step::new(
                StepName::Schedule,
                text,
                json!({"fires": true, "nominal": occurrence.nominal}),
            ));
            return None;
        }
        Some(self.not_due(group, steps))
    }

    /// The group does not fire then; maybe the one before or after did.
    fn not_due(&self, group: &PreferenceGroup, steps: &mut Vec<Step>) -> Ending {
        let at = self.at();
        let (before, next) = (firing_before(group, at), Schedule::of(group).next_after(at));
        let facts = json!({"fires": false, "before": before.map(|before| before.at),
            "next": next.map(|next| next.at)});
        let moved = |stay: Option<&MembershipInterval>| {
            stay.filter(|stay| stay.is_membership() && stay.firing_at(at).is_some()).cloned()
        };
        if let (Some(later), StatedPreference::Stated { .. }) =
            (moved(self.user.timeline.after(at)), &self.stay.wish)
        {
            let why = format!(
                "it was changed to that time only on {}; until then it was {}",
                self.time(later.from),
                words::group(group)
            );
            return end(steps, StepName::Schedule, Answer::JoinedTooLate, why, facts);
        }
        if let (Some(_), StatedPreference::Stated { since, version, .. }) =
            (moved(self.user.timeline.before(at)), &self.stay.wish)
        {
            let why = format!(
                "it was changed to {} on {} (version {version})",
                words::group(group),
                self.time(*since)
            );
            return end(steps, StepName::Schedule, Answer::LeftBefore, why, facts);
        }
        let told = |occurrence: Option<Occurrence>| {
            occurrence.map_or("never".into(), |found| self.time(found.at))
        };
        let why = format!(
            "{} does not fire then: before on {}, next on {}",
            words::group(group),
            told(before),
            told(next)
        );
        end(steps, StepName::Schedule, Answer::NotDue, why, facts)
    }

    /// What is known today of an occurrence to come.
    fn still_to_come(&self, steps: &mut Vec<Step>) -> Option<Ending> {
        let (at, now) = (self.at(), self.facts.now);
        if at <= now {
            return None;
        }
        let name = StepName::Planning;
        if let StatedPreference::Stated { preference, version, .. } = &self.stay.wish {
            if let Some(until) = preference.snoozed_until.filter(|until| at < *until) {
                let why = format!("snoozed until {} (version {version})", self.time(until));
                return Some(end(
                    steps,
                    name,
                    Answer::Snoozed,
                    why,
                    json!({"snoozed_until": until}),
                ));
            }
            let nominal = self.stay.firing_at(at).map(|occurrence| occurrence.nominal);
            if preference.skip_next.is_some() && preference.skip_next == nominal {
                let why = format!("the user has asked to skip it (version {version})");
                return Some(end(
                    steps,
                    name,
                    Answer::SkippedByUser,
                    why,
                    json!({"skip_next": nominal}),
                ));
            }
        }
        if self.pause_covers(at) {
            let why = "the job is paused".to_owned();
            return Some(end(steps, name, Answer::JobPaused, why, json!({"paused": true})));
        }
        let why = format!("in {}", rough(at.duration_since(now)));
        Some(end(steps, name, Answer::NotYetDue, why, json!({"due_at": at})))
    }

    /// It was due for the user, and the ledger has no place of theirs at the instant.
    fn unrecorded(&self, steps: &mut Vec<Step>) -> Ending {
        let (at, now) = (self.at(), self.facts.now);
        let planned_until = self.job.standing.map(|standing| standing.planned_until);
        let facts = json!({"planned_until": planned_until});
        let Some(run) = &self.user.run else {
            if let Some(kept_since) = self.user.kept_since.filter(|kept_since| at < *kept_since) {
                let why =
                    format!("runs from before {} are not kept any more", self.time(kept_since));
                return end(
                    steps,
                    StepName::Run,
                    Answer::BeforeRetention,
                    why,
                    json!({"kept_since": kept_since}),
                );
            }
            let is_planned = planned_until.is_some_and(|until| at <= until);
            if is_planned {
                let why = "it was due, and no run of it is on record".to_owned();
                return end(steps, StepName::Planning, Answer::Unaccounted, why, facts);
            }
            let why = match planned_until {
                _ if now.duration_since(at).as_secs() <= ABOUT_TO_BE_PLANNED_S => {
                    "it is due just now, and will be planned at once".into()
                }
                Some(until) => {
                    format!("no agent has planned it: planning stands at {}", self.time(until))
                }
                None => "no agent has planned the job yet".into(),
            };
            return end(steps, StepName::Planning, Answer::NotYetPlanned, why, facts);
        };
        self.planning_and_run_steps(run, steps);
        absent_from(run, steps)
    }

    fn planning_and_run_steps(&self, run: &Run, steps: &mut Vec<Step>) {
        if let Some(standing) = self.job.standing {
            let text = format!("planned up to {}", self.time(standing.planned_until));
            steps.push(Step::new(
                StepName::Planning,
                text,
                json!({"planned_until": standing.planned_until}),
            ));
        }
        let state = json!(run.state);
        let how = state.as_str().unwrap_or_default();
        let text = format!(
            "run {} of {}, opened on {}: {how}",
            run.id,
            run.occurrence.nominal,
            self.time(run.opened_at)
        );
        let facts = json!({
            "run_id": run.id, "nominal": run.occurrence.nominal, "job_version": run.job_version,
            "opened_at": run.opened_at,
            "state": run.state, "reason": run.reason, "members": run.counts.members,
            "canceled_at": run.canceled_at
        });
        steps.push(Step::new(StepName::Run, text, facts));
    }

    /// The ledger has the user in a run.
    fn recorded(&self, place: &Place, steps: &mut Vec<Step>) -> Result<Ending, LedgerError> {
        let Place { run, chunk, work, failures } = place;
        self.planning_and_run_steps(run, steps);
        steps.push(Step::new(
            StepName::Member,
            "the user is a member of the run as of its instant",
            json!({"member": true}),
        ));
        let attempts = failures.iter().map(|failure| self.attempt_step(failure));
        match work {
            WorkStanding::Open(member) => {
                let ending = self.open(chunk, member, steps);
                steps.extend(attempts);
                Ok(ending)
            }
            WorkStanding::Ended(outcome) => {
                let text = format!("chunk {} of {} users", outcome.chunk, chunk.size);
                steps.push(Step::new(
                    StepName::Chunk,
                    text,
                    json!({"chunk": outcome.chunk, "state": chunk.state, "size": chunk.size}),
                ));
                steps.extend(attempts);
                self.ended(outcome, steps)
            }
        }
    }

    fn open(&self, chunk: &ChunkStanding, member: &OpenMember, steps: &mut Vec<Step>) -> Ending {
        let now = self.facts.now;
        let facts = json!({
            "chunk": chunk.id, "state": chunk.state, "size": chunk.size, "ready_at": chunk.ready_at,
            "attempts": member.attempts,
            "holder": chunk.lease.as_ref().map(|(holder, _)| holder),
            "lease_until": chunk.lease.as_ref().map(|(_, until)| until)
        });
        let is_later = chunk.ready_at > now;
        let requeued = member
            .requeued
            .as_ref()
            .map(|requeued| format!(", requeued on {}", self.time(requeued.at)));
        let tried = match member.attempts {
            0 => "not attempted yet".to_owned(),
            attempts => format!("attempted {}{}", times(attempts), requeued.unwrap_or_default()),
        };
        let (answer, why) = match (&chunk.lease, chunk.state) {
            (Some((holder, until)), ChunkState::Claimed) if *until >= now => (
                Answer::InProgress,
                format!("the agent {holder} has it in hand until {}, {tried}", self.time(*until)),
            ),
            (Some((holder, _)), ChunkState::Claimed) => (
                Answer::WaitingForWorker,
                format!(
                    "the agent {holder} has not been heard of for a while; somebody takes over, \
                     {tried}"
                ),
            ),
            _ if self.user.is_open_earlier => (
                Answer::WaitingForEarlierRun,
                "an earlier run of the user is still open".to_owned(),
            ),
            _ if is_later && member.attempts > 0 => (
                Answer::WaitingForRetry,
                format!("{tried}; the next attempt is not before {}", self.time(chunk.ready_at)),
            ),
            _ if is_later => {
                (Answer::Postponed, format!("put off until {}", self.time(chunk.ready_at)))
            }
            _ => (
                Answer::WaitingForWorker,
                format!(
                    "ready since {}, and nobody has claimed it, {tried}",
                    self.time(chunk.ready_at)
                ),
            ),
        };
        end(steps, StepName::Chunk, answer, why, facts)
    }

    fn attempt_step(&self, failure: &FailedAttempt) -> Step {
        let error = failure.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        let text =
            format!("attempt {} failed on {}{error}", failure.attempt, self.time(failure.at));
        Step::new(StepName::Attempt, text, json!(failure))
    }

    fn ended(&self, outcome: &OutcomeRecord, steps: &mut Vec<Step>) -> Result<Ending, LedgerError> {
        let reason = outcome.reason.as_deref();
        let answer = Answer::of_outcome(outcome.status, reason)?;
        let detail =
            outcome.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let version = outcome
            .preference_version
            .map(|version| format!(", with version {version} of the preference"))
            .unwrap_or_default();
        let why = match outcome.status {
            StatusName::Succeeded => format!("succeeded at attempt {}{version}", outcome.attempts),
            StatusName::Failed => format!(
                "{}{detail}, attempted {}{version}",
                reason.unwrap_or_default(),
                times(outcome.attempts)
            ),
            StatusName::Skipped | StatusName::Requeued => self.skipped(answer, outcome),
        };
        let facts = json!({
            "status": outcome.status, "reason": outcome.reason, "detail": outcome.detail,
            "attempts": outcome.attempts, "key": outcome.key,
            "preference_version": outcome.preference_version, "stale": outcome.stale,
            "finished_at": outcome.finished_at
        });
        Ok(end(steps, StepName::Outcome, answer, why, facts))
    }

    /// Why a member was skipped; what the user said since the instant is told with its version
    /// (M2).
    fn skipped(&self, answer: Answer, outcome: &OutcomeRecord) -> String {
        let said = self.user.timeline.at(outcome.finished_at);
        let since = match &said.wish {
            StatedPreference::Stated { version, since, .. }
            | StatedPreference::Deleted { version, since } => {
                format!(" on {} (version {version})", self.time(*since))
            }
            _ => String::new(),
        };
        match answer {
            Answer::Disabled => format!("switched off{since}"),
            Answer::Deleted => format!("the preference was deleted{since}"),
            Answer::Snoozed => format!("snoozed{since}"),
            Answer::SkippedByUser => format!("the user asked to skip it{since}"),
            Answer::AlreadyRan => "the job had run the user in the same period already".into(),
            Answer::Overlap => {
                "an earlier run of the user was still open, and another waited".into()
            }
            Answer::Canceled => "an operator canceled the run".into(),
            Answer::Expired => "the job's deadline had passed before it could begin".into(),
            other => other.as_str().replace('_', " "),
        }
    }

    fn at(&self) -> Timestamp {
        self.user.chosen.at
    }

    fn time(&self, at: Timestamp) -> String {
        time_of(at, &self.user.chosen.zone, self.facts.now)
    }

    fn pause_covers(&self, at: Timestamp) -> bool {
        self.job.standing.and_then(|standing| standing.pause).is_some_and(|pause| pause.covers(at))
    }

    fn serves_everyone(&self) -> bool {
        let job = self.job.version_at(self.at()).and_then(|version| version.job.as_ref());
        job.is_some_and(|job| job.enroll == Enroll::Everyone)
    }
}

/// The run is there, and the user is not in it.
fn absent_from(run: &Run, steps: &mut Vec<Step>) -> Ending {
    let facts = json!({"member": false});
    if let Some(reason) = run.reason {
        let answer = Answer::of_unprocessed(reason);
        return end(steps, StepName::Member, answer, unprocessed(answer), facts);
    }
    if run.state == RunState::Reading {
        let why = match run.read_faults {
            0 => "the run's members are still being read".to_owned(),
            faults => {
                format!("the run's members could not be read so far, {faults} times in a row")
            }
        };
        return end(steps, StepName::Member, Answer::WaitingForMembers, why, facts);
    }
    let why = format!("run {} has all its members, and the user is not one of them", run.id);
    end(steps, StepName::Member, Answer::Unaccounted, why, facts)
}

/// Why the members of a run have no outcomes of their own.
fn unprocessed(answer: Answer) -> String {
    let why = match answer {
        Answer::JobPaused => "the job was paused",
        Answer::Canceled => "an operator canceled the run",
        Answer::Downtime => "nothing ran when it was due, and afterwards it was too late",
        Answer::MisfireSkip => "nothing ran when it was due, and the job skips what it missed",
        Answer::MisfireLimit => {
            "nothing ran when it was due, and too much was missed to catch up on all"
        }
        Answer::MembersUnreadable => "the members could not be read within the catch-up window",
        other => other.as_str(),
    };
    why.to_owned()
}

fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        many => format!("{many} times"),
    }
}

/// `None` for the beginning of time.
fn known(at: Timestamp) -> Option<Timestamp> {
    (at > Timestamp::MIN).then_some(at)
}
