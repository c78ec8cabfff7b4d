//! From facts to an answer: the steps in their order, and the first that decides. Pure.
//!
//! ```text
//! should it have been?      job ─► preference ─► defaults ─► schedule ─► still to come?
//! with a place on record    … ─► planning ─► run ─► member ─► chunk ─► attempts ─► outcome
//! without one               … ─► planning ─► run ─► member: none
//! ```
//!
//! What the ledger has recorded of the user at the instant is stronger than what the preferences
//! say should have been: for a user with a place in a run, the first row only tells the
//! circumstances. It decides for users without one.

use cohort_ledger::{LedgerError, MemberStanding, WorkStanding};

use super::answer::Answer;
use super::case::Case;
use super::facts::Facts;
use super::step::Step;
use super::steps::{
    Ending, Told, attempt, chunk, defaults, job, member, outcome, planning, preference, run,
    schedule, user,
};

/// Whether the job and the preference were in force at all.
const IN_FORCE: [fn(&Case) -> Told; 2] = [job::step, preference::step];

/// Whether it fires then. None of these says anything sensible once one of them has ended.
const CALENDAR: [fn(&Case) -> Told; 3] = [defaults::step, schedule::step, planning::still_to_come];

/// The steps, and what they come to.
pub(super) struct Trace {
    pub(super) steps: Vec<Step>,
    pub(super) answer: Answer,
    /// The text of the step that decided.
    pub(super) why: String,
}

impl Trace {
    /// Traces what the facts say.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] if an outcome's reason is not of the closed set (A2).
    pub(super) fn of(facts: &Facts) -> Result<Self, LedgerError> {
        let Some(job) = &facts.job else {
            return Ok(Self::ending(Vec::new(), job::unknown(&facts.question.job_id)));
        };
        let Some(user) = &facts.user else {
            return Ok(Self::ending(Vec::new(), user::unknown(&facts.question.tenant_id)));
        };
        let case = Case::new(&facts.question, job, user);
        match &user.place {
            Some(place) => Self::of_recorded(&case, place),
            None => Ok(Self::of_unrecorded(&case)),
        }
    }

    /// The ledger has the user in a run, and its word is the answer.
    fn of_recorded(case: &Case, place: &MemberStanding) -> Result<Self, LedgerError> {
        let mut steps = circumstances(case);
        steps.extend(planning::how_far(case));
        steps.push(run::step(case, &place.run));
        steps.push(member::present());
        let attempts = place.failures.iter().map(|failure| attempt::step(case, failure));
        match &place.work {
            WorkStanding::Open(member) => {
                let mut trace = Self::ending(steps, chunk::open(case, &place.chunk, member));
                trace.steps.extend(attempts);
                Ok(trace)
            }
            WorkStanding::Final(outcome) => {
                steps.push(chunk::closed(&place.chunk, outcome));
                steps.extend(attempts);
                Ok(Self::ending(steps, outcome::ending(case, outcome)?))
            }
        }
    }

    /// The ledger has the user in no run at the instant: the first step that decides says why.
    fn of_unrecorded(case: &Case) -> Self {
        let mut steps = Vec::new();
        for step in IN_FORCE.iter().chain(&CALENDAR) {
            match step(case) {
                Told::Nothing => {}
                Told::Step(step) => steps.push(step),
                Told::Ending(ending) => return Self::ending(steps, ending),
            }
        }
        let Some(run) = &case.user.run else {
            let ending = run::forgotten(case).unwrap_or_else(|| planning::without_run(case));
            return Self::ending(steps, ending);
        };
        steps.extend(planning::how_far(case));
        steps.push(run::step(case, run));
        Self::ending(steps, member::absent(case, run))
    }

    fn ending(mut steps: Vec<Step>, Ending { answer, step }: Ending) -> Self {
        let why = step.text.clone();
        steps.push(step);
        Self { steps, answer, why }
    }
}

/// What should have been for a user who is on record: nothing here decides.
fn circumstances(case: &Case) -> Vec<Step> {
    let mut steps: Vec<Step> = IN_FORCE.iter().filter_map(|step| step(case).into_step()).collect();
    for step in CALENDAR {
        let told = step(case);
        let is_ending = matches!(told, Told::Ending(_));
        steps.extend(told.into_step());
        if is_ending {
            break;
        }
    }
    steps
}
