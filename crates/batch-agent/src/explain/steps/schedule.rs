//! Whether the user's group fires at the instant.

use cohort_preferences::{Occurrence, PreferenceGroup, Schedule};
use serde_json::json;

use super::{Ending, Told};
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};
use crate::explain::timeline::{MembershipInterval, StatedPreference, firing_before};
use crate::explain::words;

/// Whether the group fires then; nothing if there is no group.
pub(crate) fn step(case: &Case) -> Told {
    let Ok(group) = &case.interval.group else { return Told::Nothing };
    match case.interval.firing_at(case.at()) {
        Some(occurrence) => fires(&occurrence).into(),
        None => does_not_fire(case, group).into(),
    }
}

fn fires(Occurrence { nominal, .. }: &Occurrence) -> Step {
    let text = format!("it fires then: {nominal}");
    Step::new(StepName::Schedule, text, json!({"fires": true, "nominal": nominal}))
}

/// The group does not fire then; maybe the one that the user was in before or after does.
fn does_not_fire(case: &Case, group: &PreferenceGroup) -> Ending {
    let (before, next) =
        (firing_before(group, case.at()), Schedule::of(group).next_after(case.at()));
    let facts = json!({
        "fires": false, "before": before.map(|before| before.at), "next": next.map(|next| next.at)
    });
    let (answer, why) = moved(case, group).unwrap_or_else(|| {
        let told = |occurrence: Option<Occurrence>| {
            occurrence.map_or("never".into(), |found| case.time(found.at))
        };
        let (group, before, next) = (words::group(group), told(before), told(next));
        let why = format!("{group} does not fire then: before on {before}, next on {next}");
        (Answer::NotDue, why)
    });
    Step::new(StepName::Schedule, why, facts).ends_in(answer)
}

/// The user stated another group that does fire then, afterwards or before (M4).
fn moved(case: &Case, group: &PreferenceGroup) -> Option<(Answer, String)> {
    let StatedPreference::Stated { since, version, .. } = &case.interval.stated else {
        return None;
    };
    let group = words::group(group);
    let fires =
        |other: &&MembershipInterval| other.is_membership() && other.firing_at(case.at()).is_some();
    if let Some(later) = case.user.timeline.after(case.at()).filter(fires) {
        let on = case.time(later.from);
        let why = format!("it was changed to that time only on {on}; until then it was {group}");
        return Some((Answer::JoinedTooLate, why));
    }
    case.user.timeline.before(case.at()).filter(fires)?;
    let why = format!("it was changed to {group} on {} (version {version})", case.time(*since));
    Some((Answer::LeftBefore, why))
}
