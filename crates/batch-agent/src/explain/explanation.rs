//! An explanation: the answer in one sentence, and the steps that led to it. Pure.

use cohort_ledger::{FiringName, LedgerError, MemberStanding, Run, RunId, WorkStanding};
use cohort_preferences::{JobId, NominalTime, TenantId};
use jiff::Timestamp;
use serde::Serialize;

use super::answer::Answer;
use super::case::Case;
use super::choose::Chosen;
use super::facts::{Facts, Question};
use super::moment::Moment;
use super::step::Step;
use super::steps::{chunk, outcome};
use super::trace::Trace;
use super::words::day_and_time;

/// Why a user's work was done or not, with the steps that led there. The field names are stable.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Which user was asked about.
    pub tenant_id: TenantId,
    /// Which job was asked about.
    pub job_id: JobId,
    /// Which moment was asked about.
    pub asked: Moment,
    /// The instant that is explained; null if there is no such job or user.
    pub at: Option<Timestamp>,
    /// The occurrence's nominal time; null if no group of the user fires then.
    pub nominal: Option<NominalTime>,
    /// The zone of the user's clock; null if there is no such job or user.
    pub timezone: Option<String>,
    /// How the instant was chosen; null where there was no choice.
    pub chosen: Option<String>,
    /// Why.
    pub answer: Answer,
    /// The answer in plain words.
    pub sentence: String,
    /// What to do about it.
    pub advice: &'static str,
    /// Other runs that somebody has started by hand and that have the user, oldest first: those of
    /// the moment, and later reruns of what is explained.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<RunByHand>,
    /// The steps, in order. The last one decided, except for attempts listed after an open chunk.
    pub trace: Vec<Step>,
}

impl Explanation {
    /// Explains what the facts say.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] if an outcome's reason is not of the closed set (A2).
    pub(super) fn of(facts: Facts) -> Result<Self, LedgerError> {
        let Trace { steps, answer, why } = Trace::of(&facts)?;
        let by_hand = RunByHand::all(&facts)?;
        let Facts { question, user, .. } = facts;
        let chosen = user.map(|user| user.chosen);
        let sentence = sentence(&question, chosen.as_ref(), answer, &why);
        let occurrence = chosen.as_ref().and_then(|chosen| chosen.occurrence.as_ref());
        Ok(Self {
            tenant_id: question.tenant_id,
            job_id: question.job_id,
            asked: question.asked,
            at: chosen.as_ref().map(|chosen| chosen.at),
            nominal: occurrence.map(|(_, occurrence)| occurrence.nominal),
            timezone: chosen.as_ref().map(|chosen| chosen.zone.name().to_owned()),
            chosen: chosen.and_then(|chosen| chosen.note),
            answer,
            sentence,
            advice: answer.advice(),
            by_hand,
            trace: steps,
        })
    }
}

/// A run beside the one that is explained, which somebody has started by hand: a trigger, or a
/// rerun.
#[derive(Debug, Clone, Serialize)]
pub struct RunByHand {
    /// Which run.
    pub run_id: RunId,
    /// Its name.
    pub nominal: FiringName,
    /// Its instant.
    pub at: Timestamp,
    /// What became of the user in it.
    pub answer: Answer,
    /// The same in plain words.
    pub sentence: String,
}

impl RunByHand {
    fn all(facts: &Facts) -> Result<Vec<Self>, LedgerError> {
        let (Some(job), Some(user)) = (&facts.job, &facts.user) else { return Ok(Vec::new()) };
        let case = Case::new(&facts.question, job, user);
        user.by_hand.iter().map(|place| Self::of(&case, &facts.question, place)).collect()
    }

    fn of(case: &Case, question: &Question, place: &MemberStanding) -> Result<Self, LedgerError> {
        let Run { id, occurrence, .. } = &place.run;
        let (answer, why) = match &place.work {
            WorkStanding::Open(member) => chunk::open(case, &place.chunk, member),
            WorkStanding::Final(outcome) => outcome::ending(case, outcome)?,
        }
        .in_words();
        let chosen = Chosen { at: occurrence.at, ..case.user.chosen.clone() };
        let sentence = sentence(question, Some(&chosen), answer, &why);
        let sentence = format!("{sentence} (run {id}, by hand)");
        Ok(Self { run_id: *id, nominal: occurrence.nominal, at: occurrence.at, answer, sentence })
    }
}

/// The line that people read first: who was run or was not, when, and why.
fn sentence(question: &Question, chosen: Option<&Chosen>, answer: Answer, why: &str) -> String {
    let Some(Chosen { at, zone, .. }) = chosen else { return why.to_owned() };
    let tenant = &question.tenant_id;
    let when = day_and_time(*at, zone, question.now);
    match answer {
        Answer::Succeeded => format!("{tenant} was run on {when}: {why}"),
        Answer::Rejected
        | Answer::RetriesExhausted
        | Answer::BadAnswer
        | Answer::Poison
        | Answer::UnknownResult => format!("{tenant} was run on {when}, and it failed: {why}"),
        Answer::InProgress
        | Answer::PurposeSlowed
        | Answer::PurposeFailing
        | Answer::PurposePaused
        | Answer::WaitingForRetry
        | Answer::WaitingForWorker
        | Answer::WaitingForEarlierRun
        | Answer::Postponed
        | Answer::WaitingForMembers
        | Answer::NotYetPlanned => format!("{tenant} is still to be run for {when}: {why}"),
        Answer::NotYetDue => format!("{tenant} will be run on {when}: {why}"),
        _ if *at > question.now => format!("{tenant} will not be run on {when}: {why}"),
        _ => format!("{tenant} was not run on {when}: {why}"),
    }
}
