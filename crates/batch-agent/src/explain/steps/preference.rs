//! What the user had stated as of the instant.

use cohort_preferences::{Enroll, NominalTime, Preference};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{Ending, Told};
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};
use crate::explain::timeline::{MembershipInterval, StatedPreference};

/// A preference that was stated.
#[derive(Serialize)]
struct Facts {
    version: u64,
    set_at: Timestamp,
    enabled: bool,
    snoozed_until: Option<Timestamp>,
    skip_next: Option<NominalTime>,
}

/// Whether what the user had stated lets the job run for them.
pub(crate) fn step(case: &Case) -> Told {
    match &case.interval.stated {
        StatedPreference::Irrelevant => selection(case),
        StatedPreference::Forgotten => forgotten().into(),
        StatedPreference::Nothing { is_enrolled: true } => enrolled().into(),
        StatedPreference::Nothing { is_enrolled: false } => nothing_stated(case).into(),
        StatedPreference::Deleted { version, since } => deleted(case, *version, *since).into(),
        StatedPreference::Stated { version, since, preference } => {
            stated(case, *version, *since, preference)
        }
    }
}

/// A job with a schedule of its own asks nobody's preference; its filters say whom it serves.
fn selection(case: &Case) -> Told {
    if case.user.is_selected == Some(false) {
        let why =
            "the tenant is not among those whom the job's filters leave, or was not there yet";
        let step = Step::new(StepName::Preference, why, json!({"selected": false}));
        return step.ends_in(Answer::NotSelected).into();
    }
    let text = "the job has a schedule of its own, and the tenant is among those whom it serves";
    Step::new(StepName::Preference, text, json!({"selected": true})).into()
}

fn forgotten() -> Ending {
    let why = "what was stated then is no longer kept";
    let facts = json!({"version": null});
    Step::new(StepName::Preference, why, facts).ends_in(Answer::BeforeRetention)
}

fn enrolled() -> Step {
    let text = "nothing was ever stated, and the job serves everyone";
    Step::new(StepName::Preference, text, json!({"version": 0, "enrolled": true}))
}

/// Nothing was stated as of the instant; maybe it was stated only afterwards.
fn nothing_stated(case: &Case) -> Ending {
    let (answer, why) = match first_stated_later(case) {
        Some((version, since, next)) if next.firing_at(case.at()).is_some() => {
            let on = case.time(since);
            (Answer::JoinedTooLate, format!("nothing was stated before {on} (version {version})"))
        }
        Some((version, since, _)) => {
            let of = case.time(since);
            let why = format!(
                "nothing was stated yet; the first preference is of {of} (version {version})"
            );
            (Answer::NeverStated, why)
        }
        None if serves_everyone(case) => {
            (Answer::NotSelected, "the tenant was not there yet".to_owned())
        }
        None => {
            let why = "nothing was ever stated, and the job serves only those who have";
            (Answer::NeverStated, why.to_owned())
        }
    };
    let facts = json!({"version": 0, "enrolled": false});
    Step::new(StepName::Preference, why, facts).ends_in(answer)
}

fn first_stated_later<'a>(case: &Case<'a>) -> Option<(u64, Timestamp, &'a MembershipInterval)> {
    let next = case.user.timeline.after(case.at())?;
    match &next.stated {
        StatedPreference::Stated { version, since, .. } => Some((*version, *since, next)),
        _ => None,
    }
}

fn serves_everyone(case: &Case) -> bool {
    let job = case.job.version_at(case.at()).and_then(|version| version.job.as_ref());
    job.is_some_and(|job| job.enroll == Enroll::Everyone)
}

fn deleted(case: &Case, version: u64, since: Timestamp) -> Ending {
    let why = format!("the preference was deleted on {} (version {version})", case.time(since));
    let facts = json!({"version": version, "set_at": since, "deleted": true});
    Step::new(StepName::Preference, why, facts).ends_in(Answer::Deleted)
}

fn stated(case: &Case, version: u64, since: Timestamp, preference: &Preference) -> Told {
    let on = case.time(since);
    let facts = Facts {
        version,
        set_at: since,
        enabled: preference.is_enabled(),
        snoozed_until: preference.snoozed_until,
        skip_next: preference.skip_next,
    };
    if preference.is_enabled() {
        Step::new(StepName::Preference, format!("version {version}, set on {on}"), facts).into()
    } else {
        let why = format!("switched off on {on} (version {version})");
        Step::new(StepName::Preference, why, facts).ends_in(Answer::Disabled).into()
    }
}
