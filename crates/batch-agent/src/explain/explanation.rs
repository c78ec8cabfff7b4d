//! An explanation as it is answered, and its steps.

use cohort_preferences::{JobId, NominalTime, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::moment::Moment;

/// Why a user's work was done or not, with the steps that led there. The field names are stable.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Who.
    pub tenant_id: TenantId,
    /// Which job.
    pub job_id: JobId,
    /// What was asked about.
    pub asked: Moment,
    /// The instant that is explained; null if there is no such job or user.
    pub at: Option<Timestamp>,
    /// Its name; null if nothing of the user's fires then.
    pub nominal: Option<NominalTime>,
    /// On whose clock.
    pub timezone: Option<String>,
    /// How the instant was chosen; null where there was no choice.
    pub chosen: Option<String>,
    /// Why.
    pub answer: Answer,
    /// The answer in plain words.
    pub sentence: String,
    /// What to do about it.
    pub advice: &'static str,
    /// The steps, in order. The last of them has decided, but for attempts behind an open chunk.
    pub trace: Vec<Step>,
}

/// One step of a trace.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Which one.
    #[serde(rename = "step")]
    pub name: StepName,
    /// What was found, in plain words.
    pub text: String,
    /// The same for programs.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

/// The steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The job in force then.
    Job,
    /// Whether there is such a user.
    User,
    /// What the user had stated as of the instant.
    Preference,
    /// What the defaults made of it.
    Defaults,
    /// Whether the group fires then.
    Schedule,
    /// How far the job is planned.
    Planning,
    /// The run.
    Run,
    /// The user as a member of the run.
    Member,
    /// The user's chunk.
    Chunk,
    /// One attempt.
    Attempt,
    /// How it ended.
    Outcome,
}

impl Step {
    /// A step with its facts, which are an object.
    pub(super) fn new(name: StepName, text: impl Into<String>, facts: Value) -> Self {
        let Value::Object(facts) = facts else { unreachable!("facts are written as objects") };
        Self { name, text: text.into(), facts }
    }
}
