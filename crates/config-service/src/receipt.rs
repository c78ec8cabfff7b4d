//! What an edit means, said at once (M7).

use cohort_preferences::{NextRun, NoNextRun, Preference, PreferenceGroup, Schedule, Zone};
use jiff::Timestamp;

/// The next occurrence after `after` of a preference, or why none can be named (M7); `None` for a deleted one.
pub(crate) fn next_run(preference: Option<&Preference>, tenant_timezone: Option<&Zone>, after: Timestamp) -> NextRun {
    let Some(preference) = preference.filter(|preference| preference.is_enabled()) else {
        return NextRun::unknown(NoNextRun::Disabled);
    };
    let Some(group) = PreferenceGroup::from_stated(&preference.stated_group(tenant_timezone)) else {
        return NextRun::unknown(NoNextRun::DependsOnJob);
    };
    let wanted = Schedule::of(&group).after(after).find(|occurrence| Some(occurrence.nominal) != preference.skip_next);
    match wanted {
        Some(occurrence) if preference.snoozed_until.is_some_and(|until| occurrence.at < until) => NextRun::unknown(NoNextRun::Snoozed),
        Some(occurrence) => NextRun::at(occurrence, group.timezone()),
        // Past the end of the calendar nothing runs.
        None => NextRun::unknown(NoNextRun::Disabled),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn next(preference: &Value) -> Value {
        let preference = Preference::from_json(preference, "").expect("valid");
        let after = "2026-12-01T12:00:00Z".parse().expect("an instant");
        serde_json::to_value(next_run(Some(&preference), None, after)).expect("serialises")
    }

    #[test]
    fn a_preference_with_every_part_stated_names_its_next_run() {
        assert_eq!(
            next(&json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "Europe/Berlin"})),
            json!({"next_run": {"nominal": "2026-12-02T09:00", "timezone": "Europe/Berlin", "at": "2026-12-02T08:00:00Z"}})
        );
    }

    #[test]
    fn what_is_left_to_the_job_is_said_to_depend_on_it() {
        let depends = json!({"next_run": null, "reason": "depends_on_job"});
        assert_eq!(next(&json!({"frequency": "daily", "preferred_time": "09:00"})), depends);
        assert_eq!(next(&json!({"timezone": "UTC"})), depends);
    }

    #[test]
    fn disabled_and_deleted_preferences_do_not_run() {
        let disabled = json!({"next_run": null, "reason": "disabled"});
        assert_eq!(next(&json!({"enabled": false, "frequency": "daily", "preferred_time": "09:00", "timezone": "UTC"})), disabled);
        let deleted = next_run(None, None, Timestamp::UNIX_EPOCH);
        assert_eq!(serde_json::to_value(deleted).expect("serialises"), disabled);
    }

    #[test]
    fn a_snooze_counts_if_it_covers_the_next_occurrence() {
        let snoozed = |until: &str| {
            next(&json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC", "snoozed_until": until}))["reason"].clone()
        };
        assert_eq!(snoozed("2026-12-02T09:00:01Z"), json!("snoozed"));
        assert_eq!(snoozed("2026-12-02T09:00:00Z"), Value::Null);
    }

    #[test]
    fn the_occurrence_to_skip_is_passed_over() {
        let skipping = json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC", "skip_next": "2026-12-02T09:00"});
        assert_eq!(next(&skipping)["next_run"]["nominal"], json!("2026-12-03T09:00"));
    }
}
