//! Which group the preference comes to, with the defaults of the instant (T12).

use cohort_preferences::PreferenceGroup;
use serde_json::json;

use super::Told;
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};
use crate::explain::timeline::NoGroup;
use crate::explain::words;

/// Whether the preference comes to a group.
pub(crate) fn step(case: &Case) -> Told {
    match &case.interval.group {
        Ok(group) => complete(group).into(),
        Err(NoGroup::Lacks(field)) => {
            let why = format!("neither the preference nor any default states the {field}");
            let step = Step::new(StepName::Defaults, why, json!({"lacks": field}));
            step.ends_in(Answer::NoFrequency).into()
        }
        Err(NoGroup::NothingStated) => Told::Nothing,
    }
}

fn complete(group: &PreferenceGroup) -> Step {
    let text = format!("with the defaults it comes to {}", words::group(group));
    let facts = json!({
        "frequency": group.frequency(), "time_key": group.time_key(),
        "timezone": group.timezone().name()
    });
    Step::new(StepName::Defaults, text, facts)
}
