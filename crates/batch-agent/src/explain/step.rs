//! One step of a trace.

use serde::Serialize;
use serde_json::{Map, Value};

/// One step of a trace. The field names of its facts are stable.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Which step it is.
    #[serde(rename = "step")]
    pub name: StepName,
    /// What was found, in plain words.
    pub text: String,
    /// The same for programs.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

/// The steps that a trace can have, in their order.
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
    /// A step whose facts are a struct, or a JSON object.
    pub(super) fn new(name: StepName, text: impl Into<String>, facts: impl Serialize) -> Self {
        let Ok(Value::Object(facts)) = serde_json::to_value(facts) else {
            unreachable!("facts have named fields, each of which is plain JSON")
        };
        Self { name, text: text.into(), facts }
    }
}
