//! What a policy allows (W7): examples of every limit, and its arithmetic against the occurrences
//! themselves.

use cohort_preferences::{
    Cron, Defaults, FeatureDefinition, Invalid, Labels, Policy, Preference, PreferenceGroup,
    Schedule, StatedGroup, Zone,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

fn policy(value: &Value) -> Policy {
    Policy::from_json(value, "").expect("a policy")
}

fn preference(value: &Value) -> Preference {
    Preference::from_json(value, "").expect("a preference")
}

fn labels(value: &Value) -> Labels {
    Labels::from_json(value, "").expect("labels")
}

/// The fields of a preference that break a policy, for a tenant without labels and a feature
/// without defaults.
fn broken(limits: &Value, stated: &Value) -> Vec<String> {
    fields(policy(limits).check(&preference(stated), &Defaults::default(), &Labels::default(), ""))
}

fn fields(outcome: Result<(), Invalid>) -> Vec<String> {
    outcome.err().into_iter().flat_map(|invalid| invalid.0).map(|field| field.pointer).collect()
}

#[test]
fn only_the_frequencies_listed_are_allowed() {
    let limits = json!({"frequencies": ["daily", "weekly"]});
    for (frequency, is_allowed) in [
        ("hourly", false),
        ("daily", true),
        ("weekly", true),
        ("biweekly", false),
        ("monthly", false),
        ("cron", false),
    ] {
        assert_eq!(
            broken(&limits, &json!({"frequency": frequency})).is_empty(),
            is_allowed,
            "{frequency}"
        );
    }
    assert!(broken(&limits, &json!({})).is_empty(), "the job decides");
    assert_eq!(
        broken(&limits, &json!({"enabled": false, "frequency": "hourly"})),
        ["/frequency"],
        "disabled is judged too"
    );
}

#[test]
fn the_error_names_the_field_under_its_pointer_and_says_what_is_allowed() {
    let limits = policy(&json!({"frequencies": ["weekly", "daily"], "least_interval": "24h"}));
    let stated = preference(&json!({"frequency": "hourly"}));
    let Invalid(fields) = limits
        .check(&stated, &Defaults::default(), &Labels::default(), "/config_value/f")
        .expect_err("broken");
    assert_eq!(fields.len(), 1, "one error a field");
    assert_eq!(fields[0].pointer, "/config_value/f/frequency");
    assert_eq!(fields[0].detail, "hourly is not allowed; expected one of daily, weekly");
}

#[test]
fn the_least_interval_of_each_frequency_is_that_of_its_nearest_occurrences() {
    for (least, stated, expected) in [
        ("1h", json!({"frequency": "hourly"}), None),
        ("61m", json!({"frequency": "hourly"}), Some("/frequency")),
        ("24h", json!({"frequency": "daily", "timezone": "Europe/Berlin"}), None),
        ("1441m", json!({"frequency": "daily"}), Some("/frequency")),
        ("7d", json!({"frequency": "weekly", "preferred_day": "monday"}), None),
        (
            "7d",
            json!({"frequency": "weekly", "preferred_day": ["monday", "thursday"]}),
            Some("/preferred_day"),
        ),
        ("72h", json!({"frequency": "weekly", "preferred_day": ["monday", "thursday"]}), None),
        (
            "48h",
            json!({"frequency": "weekly", "preferred_day": ["monday", "sunday"]}),
            Some("/preferred_day"),
        ),
        ("8d", json!({"frequency": "weekly", "preferred_day": "monday"}), Some("/frequency")),
        ("8d", json!({"frequency": "weekly"}), Some("/frequency")),
        ("7d", json!({"frequency": "weekly"}), None),
        ("2 weeks", json!({"frequency": "biweekly", "preferred_day": "monday"}), None),
        ("6d", json!({"frequency": "biweekly", "preferred_day": ["monday", "sunday"]}), None),
        (
            "7d",
            json!({"frequency": "biweekly", "preferred_day": ["monday", "sunday"]}),
            Some("/preferred_day"),
        ),
        ("28d", json!({"frequency": "monthly", "preferred_day": 31}), None),
        ("29d", json!({"frequency": "monthly", "preferred_day": 1}), Some("/frequency")),
        ("15m", json!({"frequency": "cron", "cron": "*/15 * * * *"}), None),
        ("16m", json!({"frequency": "cron", "cron": "*/15 * * * *"}), Some("/cron")),
        ("24h", json!({"frequency": "cron", "cron": "0 9 * * 1-5"}), None),
        ("61m", json!({"frequency": "cron", "cron": "0 0,23 * * *"}), Some("/cron")),
        ("24h", json!({"frequency": "cron", "cron": "0 0,23 * * 1"}), Some("/cron")),
        ("2d", json!({"frequency": "cron", "cron": "0 9 1 * 1"}), Some("/cron")),
        ("1461d", json!({"frequency": "cron", "cron": "0 0 29 2 *"}), None),
        ("1462d", json!({"frequency": "cron", "cron": "0 0 29 2 *"}), Some("/cron")),
    ] {
        assert_eq!(
            broken(&json!({"least_interval": least}), &stated).first().map(String::as_str),
            expected,
            "{least} {stated}"
        );
    }
}

#[test]
fn a_change_of_the_clock_breaks_no_least_interval() {
    // On 29 March 2026 these fire 23 hours and 1 hour apart in Berlin.
    for (least, cron) in [("24h", "30 9 * * *"), ("2h", "0 */2 * * *"), ("24h", "30 2 * * *")] {
        let stated = json!({"frequency": "cron", "cron": cron, "timezone": "Europe/Berlin"});
        assert!(broken(&json!({"least_interval": least}), &stated).is_empty(), "{cron}");
    }
}

#[test]
fn times_keep_to_the_slots_of_the_day() {
    for (slot, stated, expected) in [
        (15, json!({"frequency": "daily", "preferred_time": "09:45"}), None),
        (15, json!({"frequency": "daily", "preferred_time": "09:50"}), Some("/preferred_time")),
        (15, json!({"preferred_time": "09:50"}), Some("/preferred_time")),
        (60, json!({"frequency": "weekly", "preferred_time": "09:30"}), Some("/preferred_time")),
        (120, json!({"frequency": "monthly", "preferred_time": "09:00"}), Some("/preferred_time")),
        (120, json!({"frequency": "biweekly", "preferred_time": "10:00"}), None),
        (15, json!({"frequency": "hourly", "preferred_time": "07:30"}), None),
        (15, json!({"frequency": "hourly", "preferred_time": "07:05"}), Some("/preferred_time")),
        (120, json!({"frequency": "hourly"}), Some("/frequency")),
        (15, json!({"frequency": "cron", "cron": "*/30 * * * *"}), None),
        (15, json!({"frequency": "cron", "cron": "0,20 * * * *"}), Some("/cron")),
        (15, json!({"frequency": "daily"}), None),
    ] {
        assert_eq!(
            broken(&json!({"slot_minutes": slot}), &stated).first().map(String::as_str),
            expected,
            "{slot} {stated}"
        );
    }
}

#[test]
fn times_keep_to_the_hours_of_the_day() {
    let day = json!({"from": "08:00", "to": "20:00"});
    let night = json!({"from": "22:00", "to": "05:00"});
    let whole = json!({"from": "00:00", "to": "23:59"});
    for (hours, stated, expected) in [
        (&day, json!({"frequency": "daily", "preferred_time": "08:00"}), None),
        (&day, json!({"frequency": "weekly", "preferred_time": "20:00"}), None),
        (&day, json!({"frequency": "monthly", "preferred_time": "20:01"}), Some("/preferred_time")),
        (
            &day,
            json!({"frequency": "biweekly", "preferred_time": "07:59"}),
            Some("/preferred_time"),
        ),
        (&day, json!({"frequency": "hourly", "preferred_time": "09:00"}), Some("/frequency")),
        (&whole, json!({"frequency": "hourly", "preferred_time": "09:00"}), None),
        (&day, json!({"frequency": "cron", "cron": "0 8-20 * * *"}), None),
        (&day, json!({"frequency": "cron", "cron": "30 8-20 * * *"}), Some("/cron")),
        (&day, json!({"frequency": "cron", "cron": "0 * * * *"}), Some("/cron")),
        (&night, json!({"frequency": "daily", "preferred_time": "23:00"}), None),
        (&night, json!({"frequency": "daily", "preferred_time": "05:00"}), None),
        (&night, json!({"frequency": "daily", "preferred_time": "12:00"}), Some("/preferred_time")),
    ] {
        assert_eq!(
            broken(&json!({"hours": hours}), &stated).first().map(String::as_str),
            expected,
            "{hours} {stated}"
        );
    }
}

#[test]
fn a_label_replaces_the_limits_that_it_gives_and_keeps_the_others() {
    let limits = policy(&json!({
        "frequencies": ["hourly", "daily"], "slot_minutes": 15,
        "by_label": [
            {"label": "plan:free", "frequencies": ["weekly"]},
            {"label": "plan:pro", "slot_minutes": 1},
            {"label": "beta:yes", "frequencies": ["cron"]}
        ]
    }));
    let broken = |carried: Value, stated: Value| {
        fields(limits.check(&preference(&stated), &Defaults::default(), &labels(&carried), ""))
    };
    let odd_daily = || json!({"frequency": "daily", "preferred_time": "09:01"});
    assert_eq!(broken(json!({}), odd_daily()), ["/preferred_time"]);
    assert_eq!(broken(json!({"plan": "free"}), odd_daily()), ["/frequency", "/preferred_time"]);
    assert!(broken(json!({"plan": "pro"}), odd_daily()).is_empty());
    assert!(broken(json!({"plan": "free"}), json!({"frequency": "weekly"})).is_empty());
    assert_eq!(
        broken(json!({"plan": "free", "beta": "yes"}), json!({"frequency": "weekly"})),
        ["/frequency"],
        "the later entry holds"
    );
    assert!(broken(json!({"plan": "freeish"}), json!({"frequency": "hourly"})).is_empty());
}

#[test]
fn what_is_not_stated_is_judged_as_the_defaults_fill_it() {
    let defaults = Defaults(vec![preference(
        &json!({"frequency": "weekly", "preferred_day": ["monday", "tuesday"],
            "preferred_time": "09:10"}),
    )]);
    let limits = policy(&json!({"least_interval": "48h", "slot_minutes": 15}));
    let check =
        |stated: Value| limits.check(&preference(&stated), &defaults, &Labels::default(), "");
    let Invalid(errors) = check(json!({})).expect_err("the defaults break it");
    assert!(
        errors.iter().all(|error| error.detail.contains("the feature's default")),
        "{errors:?}"
    );
    assert_eq!(fields(check(json!({}))), ["/preferred_day", "/preferred_time"]);
    assert_eq!(fields(check(json!({"preferred_time": "09:15"}))), ["/preferred_day"]);
    // A default day counts only if the default's own frequency is the resulting one (T12).
    assert!(check(json!({"frequency": "biweekly", "preferred_time": "09:15"})).is_ok());
    assert!(
        check(json!({"frequency": "cron", "cron": "0 9 * * 1"})).is_ok(),
        "cron has no preferred time"
    );
}

#[test]
fn a_policy_that_says_nothing_sensible_is_refused_field_by_field() {
    let refused = |value: Value| match Policy::from_json(&value, "/policy") {
        Ok(_) => Vec::new(),
        Err(Invalid(fields)) => fields.into_iter().map(|field| field.pointer).collect(),
    };
    assert_eq!(refused(json!({"frequencies": []})), ["/policy/frequencies"]);
    assert_eq!(refused(json!({"frequencies": ["daily", "dayly"]})), ["/policy/frequencies"]);
    for bad in [json!("soon"), json!("-1h"), json!(24), json!("1mo"), json!("1y"), json!(null)] {
        assert_eq!(refused(json!({"least_interval": bad})), ["/policy/least_interval"]);
    }
    for bad in [json!(0), json!(7), json!(2880), json!("15"), json!(1.5)] {
        assert_eq!(refused(json!({"slot_minutes": bad})), ["/policy/slot_minutes"]);
    }
    assert_eq!(
        refused(json!({"hours": {"from": "8:00", "until": "20:00"}})),
        ["/policy/hours/until", "/policy/hours/to", "/policy/hours/from"]
    );
    assert_eq!(refused(json!({"by_label": {"plan:free": {}}})), ["/policy/by_label"]);
    assert_eq!(
        refused(json!({"by_label": [{"label": "plan"}, {"frequencies": ["daily"]},
                {"label": "a:b", "by_label": []}]})),
        ["/policy/by_label/0/label", "/policy/by_label/1/label", "/policy/by_label/2/by_label"]
    );
    assert_eq!(
        refused(json!({"by_label": [{"label": "a:b"}, {"label": "a:b"}]})),
        ["/policy/by_label/1/label"]
    );
}

/// Preferences in which all is stated that says when they fire, in UTC, whose clock never changes.
fn any_complete_preference() -> impl Strategy<Value = Value> {
    let days = || {
        prop::sample::subsequence(
            vec!["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
            1..7,
        )
    };
    let time = || (0..24, 0..60).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    prop_oneof![
        time().prop_map(|time| json!({"frequency": "hourly", "preferred_time": time})),
        time().prop_map(|time| json!({"frequency": "daily", "preferred_time": time})),
        (days(), time())
            .prop_map(|(days, time)| json!({"frequency": "weekly", "preferred_day": days,
                    "preferred_time": time})),
        (days(), time(), 0..28).prop_map(|(days, time, day)| json!({
            "frequency": "biweekly", "preferred_day": days, "preferred_time": time,
            "anchor_date": format!("2026-02-{:02}", day + 1)
        })),
        any_cron().prop_map(|cron| json!({"frequency": "cron", "cron": cron})),
    ]
}

fn any_cron() -> impl Strategy<Value = String> {
    let field = |most: u8, least: u8| {
        prop_oneof![
            2 => Just("*".to_owned()),
            1 => (1..most).prop_map(|step| format!("*/{step}")),
            3 => prop::collection::btree_set(least..=most, 1..4)
                .prop_map(|values| values.iter().map(u8::to_string).collect::<Vec<_>>().join(",")),
        ]
    };
    (field(59, 0), field(23, 0), field(28, 1), field(12, 1), field(6, 0)).prop_map(
        |(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"),
    )
}

/// Whether a preference keeps this least interval, by the policy.
fn keeps(stated: &Value, least: SignedDuration) -> bool {
    broken(&json!({"least_interval": format!("{least:#}")}), stated).is_empty()
}

/// The least time between the first occurrences of a preference in UTC.
fn nearest_occurrences(stated: &Value, count: usize) -> SignedDuration {
    let group: StatedGroup = preference(stated).stated_group(Some(&Zone::UTC));
    let schedule = Schedule::of(&PreferenceGroup::from_stated(&group).expect("all is stated"));
    let at: Vec<Timestamp> = schedule
        .after("2027-12-31T00:00:00Z".parse().expect("an instant"))
        .take(count)
        .map(|o| o.at)
        .collect();
    at.windows(2)
        .map(|pair| pair[1].duration_since(pair[0]))
        .min()
        .expect("it fires more than once")
}

proptest! {
    #[test]
    fn the_least_interval_is_kept_exactly_by_occurrences_on_a_clock_that_never_changes(
        stated in any_complete_preference(),
    ) {
        let nearest = nearest_occurrences(&stated, 300);
        // What is seen in 300 occurrences is never less than what the policy counts with.
        prop_assert!(!keeps(&stated, nearest + SignedDuration::from_mins(1)));
        if stated["frequency"] != "cron" {
            prop_assert!(keeps(&stated, nearest));
        }
    }

    #[test]
    fn what_a_policy_allows_at_all_it_allows_whatever_the_zone(stated in any_complete_preference(),
        least in 1..2_000i64) {
        let least = SignedDuration::from_mins(least);
        let mut elsewhere = stated.clone();
        elsewhere["timezone"] = json!("America/New_York");
        prop_assert_eq!(keeps(&stated, least), keeps(&elsewhere, least));
    }
}

proptest! {
    // Each case walks 28 years.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_cron_that_fires_on_all_its_dates_within_some_years_is_judged_exactly(
        minute in 0..60u8, hour in 0..24u8, weekdays in prop::collection::btree_set(0..7u8, 1..4),
        days in prop::collection::btree_set(1..32u8, 0..3),
    ) {
        let list = |values: &std::collections::BTreeSet<u8>| {
            values.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
        };
        let days = if days.is_empty() { "*".to_owned() } else { list(&days) };
        let cron = format!("{minute} {hour} {days} * {}", list(&weekdays));
        prop_assert!(cron.parse::<Cron>().is_ok());
        let stated = json!({"frequency": "cron", "cron": cron});
        let nearest = nearest_occurrences(&stated, 28 * 366);
        prop_assert!(keeps(&stated, nearest), "{nearest:#}");
        prop_assert!(!keeps(&stated, nearest + SignedDuration::from_mins(1)), "{nearest:#}");
    }
}

#[test]
fn a_definition_with_a_policy_reads_back_as_itself() {
    let definition = json!({"policy": {"least_interval": "7d",
        "by_label": [{"label": "a:b", "hours": {"from": "00:00", "to": "23:59"}}]}});
    let read = FeatureDefinition::from_json(&definition).expect("valid");
    assert_eq!(FeatureDefinition::from_json(&read.to_json()).expect("valid"), read);
}
