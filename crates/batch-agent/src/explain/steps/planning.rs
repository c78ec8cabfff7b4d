//! How far the job is planned, and what is known of an occurrence to come.

use cohort_preferences::Preference;
use serde_json::json;

use super::{Ending, Told};
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};
use crate::explain::timeline::StatedPreference;
use crate::explain::words::rough;

/// An occurrence younger than this may still be about to be planned.
const ABOUT_TO_BE_PLANNED_S: i64 = 60;

/// What is known today of an occurrence to come; nothing if its instant has passed.
pub(crate) fn still_to_come(case: &Case) -> Told {
    if case.at() <= case.now {
        return Told::Nothing;
    }
    if let Some(objection) = objection(case) {
        return objection.into();
    }
    let (answer, why, facts) = if case.is_paused() {
        (Answer::JobPaused, "the job is paused".to_owned(), json!({"paused": true}))
    } else {
        let why = format!("in {}", rough(case.at().duration_since(case.now)));
        (Answer::NotYetDue, why, json!({"due_at": case.at()}))
    };
    Step::new(StepName::Planning, why, facts).ends_in(answer).into()
}

/// The user has snoozed past the occurrence, or asked to skip it.
fn objection(case: &Case) -> Option<Ending> {
    let StatedPreference::Stated { preference, version, .. } = &case.interval.stated else {
        return None;
    };
    let Preference { snoozed_until, skip_next, .. } = &**preference;
    if let Some(until) = snoozed_until.filter(|until| case.at() < *until) {
        let why = format!("snoozed until {} (version {version})", case.time(until));
        let step = Step::new(StepName::Planning, why, json!({"snoozed_until": until}));
        return Some(step.ends_in(Answer::Snoozed));
    }
    let nominal = case.interval.firing_at(case.at())?.nominal;
    if *skip_next != Some(nominal) {
        return None;
    }
    let why = format!("the user has asked to skip it (version {version})");
    let step = Step::new(StepName::Planning, why, json!({"skip_next": nominal}));
    Some(step.ends_in(Answer::SkippedByUser))
}

/// How far the job is planned; `None` if no agent has ever planned it.
pub(crate) fn how_far(case: &Case) -> Option<Step> {
    let planned_until = case.planned_until()?;
    let text = format!("planned up to {}", case.time(planned_until));
    Some(Step::new(StepName::Planning, text, json!({"planned_until": planned_until})))
}

/// It was due for the user, and there is no run of it.
pub(crate) fn without_run(case: &Case) -> Ending {
    let planned_until = case.planned_until();
    let age_s = case.now.duration_since(case.at()).as_secs();
    let (answer, why) = match planned_until {
        Some(until) if case.at() <= until => {
            (Answer::Unaccounted, "it was due, and no run of it is on record".to_owned())
        }
        _ if age_s <= ABOUT_TO_BE_PLANNED_S => {
            (Answer::NotYetPlanned, "it is due just now, and will be planned at once".to_owned())
        }
        Some(until) => {
            let until = case.time(until);
            (Answer::NotYetPlanned, format!("no agent has planned it: planning stands at {until}"))
        }
        None => (Answer::NotYetPlanned, "no agent has planned the job yet".to_owned()),
    };
    let facts = json!({"planned_until": planned_until});
    Step::new(StepName::Planning, why, facts).ends_in(answer)
}
