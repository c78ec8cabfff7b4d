//! The next run of a preference (M7).

use cohort_preferences::{Defaults, NextRun, NoNextRun, Preference, Schedule, Zone};
use jiff::Timestamp;

/// Returns the next occurrence of a preference after `after`, or why none can be named (M7); `None`
/// stands for a deleted preference. The feature's defaults fill what the user leaves open; what
/// they leave open too depends on the job.
pub(crate) fn next_run(
    preference: Option<&Preference>,
    tenant_timezone: Option<&Zone>,
    defaults: &Defaults,
    after: Timestamp,
) -> NextRun {
    let Some(preference) = preference.filter(|preference| preference.is_enabled()) else {
        return NextRun::unknown(NoNextRun::Disabled);
    };
    let Ok(group) = preference.stated_group(tenant_timezone).resolve_by(defaults) else {
        return NextRun::unknown(NoNextRun::DependsOnJob);
    };
    let wanted = Schedule::of(&group)
        .after(after)
        .find(|occurrence| Some(occurrence.nominal) != preference.skip_next);
    match wanted {
        Some(occurrence) if preference.snoozed_until.is_some_and(|until| occurrence.at < until) => {
            NextRun::unknown(NoNextRun::Snoozed)
        }
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
        serde_json::to_value(next_run(Some(&preference), None, &Defaults::default(), after))
            .expect("serialises")
    }

    #[test]
    fn a_preference_with_every_part_stated_names_its_next_run() {
        assert_eq!(
            next(&json!({"frequency": "daily", "preferred_time": "09:00",
                    "timezone": "Europe/Berlin"})),
            json!({"next_run": {"nominal": "2026-12-02T09:00", "timezone": "Europe/Berlin",
                "at": "2026-12-02T08:00:00Z"}})
        );
    }

    #[test]
    fn what_is_left_to_the_job_is_said_to_depend_on_it() {
        let depends = json!({"next_run": null, "reason": "depends_on_job"});
        assert_eq!(next(&json!({"frequency": "daily", "preferred_time": "09:00"})), depends);
        assert_eq!(next(&json!({"timezone": "UTC"})), depends);
    }

    #[test]
    fn what_the_feature_s_defaults_fill_depends_on_no_job() {
        let preference = |json: Value| Preference::from_json(&json, "").expect("valid");
        let defaults =
            Defaults(vec![preference(json!({"preferred_time": "07:00", "timezone": "UTC"}))]);
        let run = |stated: Value| {
            next_run(Some(&preference(stated)), None, &defaults, Timestamp::UNIX_EPOCH)
        };
        let expected = json!({"next_run": {"nominal": "1970-01-01T07:00", "timezone": "UTC",
            "at": "1970-01-01T07:00:00Z"}});
        assert_eq!(
            serde_json::to_value(run(json!({"frequency": "daily"}))).expect("serialises"),
            expected
        );
        assert_eq!(
            run(json!({"frequency": "weekly"})),
            NextRun::unknown(NoNextRun::DependsOnJob),
            "the day is open"
        );
    }

    #[test]
    fn disabled_and_deleted_preferences_do_not_run() {
        let disabled = json!({"next_run": null, "reason": "disabled"});
        assert_eq!(
            next(&json!({"enabled": false, "frequency": "daily", "preferred_time": "09:00",
                    "timezone": "UTC"})),
            disabled
        );
        let deleted = next_run(None, None, &Defaults::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(serde_json::to_value(deleted).expect("serialises"), disabled);
    }

    #[test]
    fn a_snooze_counts_if_it_covers_the_next_occurrence() {
        let snoozed = |until: &str| {
            next(&json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC",
                "snoozed_until": until}))["reason"]
                .clone()
        };
        assert_eq!(snoozed("2026-12-02T09:00:01Z"), json!("snoozed"));
        assert_eq!(snoozed("2026-12-02T09:00:00Z"), Value::Null);
    }

    #[test]
    fn the_occurrence_to_skip_is_passed_over() {
        let skipping = json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC",
            "skip_next": "2026-12-02T09:00"});
        assert_eq!(next(&skipping)["next_run"]["nominal"], json!("2026-12-03T09:00"));
    }
}
