//! T12: what a job's defaults make of what users stated, against a model that is a plain list of
//! questions.

use cohort_preferences::{
    BatchConfig, Day, Defaults, Frequency, Preference, PreferenceGroup, Schedule, StatedGroup,
    TimeKey, TimeOfDay, UnresolvedGroup, Zone,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

fn preference(value: &Value) -> Preference {
    Preference::from_json(value, "").unwrap_or_else(|invalid| panic!("{value}: {invalid}"))
}

fn resolved(stated: Value, layers: &[Value]) -> Result<String, UnresolvedGroup> {
    let defaults = Defaults(layers.iter().map(preference).collect());
    preference(&stated).stated_group(None).resolve(&defaults).map(|group| group.to_string())
}

#[test]
fn t12_the_last_resort_is_nine_monday_the_first_and_utc() {
    let of = |frequency: &str| {
        resolved(json!({"frequency": frequency}), &[]).expect("nothing else is needed")
    };
    assert_eq!(of("hourly"), "hourly::00 UTC");
    assert_eq!(of("daily"), "daily:09:00 UTC");
    assert_eq!(of("weekly"), "weekly:monday:09:00 UTC");
    assert_eq!(of("biweekly"), "biweekly:monday:09:00~0 UTC");
    assert_eq!(of("monthly"), "monthly:1:09:00 UTC");
}

#[test]
fn t12_what_the_user_stated_beats_the_feature_which_beats_the_job() {
    let feature = json!({"preferred_time": "07:00"});
    let job = json!({"frequency": "weekly", "preferred_day": "friday", "preferred_time": "10:00",
        "timezone": "Asia/Tokyo"});
    let of = |stated| resolved(stated, &[feature.clone(), job.clone()]).expect("complete");
    assert_eq!(of(json!({})), "weekly:friday:07:00 Asia/Tokyo");
    assert_eq!(
        of(json!({"frequency": "weekly", "preferred_day": "monday"})),
        "weekly:monday:07:00 Asia/Tokyo"
    );
    assert_eq!(
        of(json!({"preferred_time": "06:30", "timezone": "UTC"})),
        "weekly:friday:06:30 UTC"
    );
    assert_eq!(of(json!({"frequency": "daily"})), "daily:07:00 Asia/Tokyo");
}

#[test]
fn t12_day_anchor_and_cron_of_a_default_count_only_under_its_own_frequency() {
    let weekly =
        json!({"frequency": "weekly", "preferred_day": "friday", "preferred_time": "10:00"});
    assert_eq!(
        resolved(json!({"frequency": "biweekly"}), std::slice::from_ref(&weekly)),
        Ok("biweekly:monday:10:00~0 UTC".into())
    );
    assert_eq!(
        resolved(json!({"frequency": "monthly"}), std::slice::from_ref(&weekly)),
        Ok("monthly:1:10:00 UTC".into())
    );
    // The second layer is of the frequency that results: it decides where the first may not.
    let monthly =
        json!({"frequency": "monthly", "preferred_day": "last", "preferred_time": "11:00"});
    assert_eq!(
        resolved(json!({"frequency": "monthly"}), &[weekly, monthly]),
        Ok("monthly:last:10:00 UTC".into())
    );
    let odd = json!({"frequency": "biweekly", "anchor_date": "1970-01-12"});
    assert_eq!(
        resolved(json!({"frequency": "biweekly"}), std::slice::from_ref(&odd)),
        Ok("biweekly:monday:09:00~1 UTC".into())
    );
    assert_eq!(
        resolved(json!({"frequency": "weekly"}), &[odd]),
        Ok("weekly:monday:09:00 UTC".into())
    );
}

#[test]
fn t12_a_group_that_nothing_completes_names_the_field() {
    assert_eq!(
        resolved(json!({"preferred_time": "09:00"}), &[]),
        Err(UnresolvedGroup { field: "frequency" })
    );
    assert_eq!(
        resolved(json!({"frequency": "cron"}), &[json!({"frequency": "daily"})]),
        Err(UnresolvedGroup { field: "cron" })
    );
    let error = resolved(json!({}), &[json!({"preferred_time": "09:00"})])
        .expect_err("no frequency anywhere");
    assert!(error.to_string().contains("add frequency to default_preferences"), "{error}");
}

#[test]
fn t12_a_time_without_a_frequency_fits_whichever_frequency_results() {
    let of = |layer: Value| resolved(json!({"preferred_time": "08:20"}), &[layer]);
    assert_eq!(of(json!({"frequency": "hourly"})), Ok("hourly::20 UTC".into()));
    assert_eq!(of(json!({"frequency": "biweekly"})), Ok("biweekly:monday:08:20~0 UTC".into()));
    assert_eq!(
        of(json!({"frequency": "cron", "cron": "0 7 * * *"})),
        Ok("cron:0 7 * * * UTC".into())
    );
}

#[test]
fn t12_a_zone_not_stated_is_the_tenants_own_before_any_default() {
    let tokyo: Zone = "Asia/Tokyo".parse().expect("a zone");
    let defaults = Defaults(vec![preference(&json!({"timezone": "Europe/Berlin"}))]);
    let zone = |stated: Value, tenant: Option<&Zone>| {
        let group = preference(&stated).stated_group(tenant).resolve(&defaults).expect("complete");
        group.timezone().name().to_owned()
    };
    assert_eq!(zone(json!({"frequency": "daily"}), Some(&tokyo)), "Asia/Tokyo");
    assert_eq!(zone(json!({"frequency": "daily"}), None), "Europe/Berlin");
    assert_eq!(zone(json!({"frequency": "daily", "timezone": "UTC"}), Some(&tokyo)), "UTC");
}

#[test]
fn the_default_preferences_of_the_specifications_job_complete_a_user_who_stated_nothing() {
    let config = r#"{"job_id": "j", "type": "individual_batch", "purpose_id": "p",
        "preference_based": true, "feature_type": "f", "default_preferences":
            {"frequency": "weekly", "preferred_day": "monday", "preferred_time": "10:00"}}"#;
    let config = BatchConfig::from_json(config).expect("valid");
    let group = StatedGroup::parse("-", "-", "-")
        .map(|stated| stated.resolve(&config.jobs[0].defaults()).expect("complete"));
    assert_eq!(group.map(|group| group.to_string()), Ok("weekly:monday:10:00 UTC".into()));
}

/// A preference as layers and users state them: any part or none, days of either kind where they
/// may stand.
fn any_preference() -> impl Strategy<Value = Value> {
    use prop::option::of;
    let frequency = of(select(Frequency::ALL.to_vec()));
    let time = of(select(vec!["00:00", "08:15", "23:59"]));
    let weekday = of(select(vec!["tuesday", "sunday"]));
    let month_day = of(select(vec![json!(3), json!(31), json!("last")]));
    let anchor = of(select(vec!["2026-01-05", "2026-01-12"]));
    let cron = of(select(vec!["0 9 * * 1", "30 * * * *"]));
    let zone = of(select(vec!["Asia/Tokyo", "America/New_York"]));
    (frequency, time, weekday, month_day, anchor, cron, zone).prop_map(
        |(frequency, time, weekday, month_day, anchor, cron, zone)| {
            let mut fields = Map::new();
            let mut state = |name: &str, value: Option<Value>| {
                _ = value.map(|value| fields.insert(name.into(), value));
            };
            state("frequency", frequency.map(|frequency| json!(frequency)));
            state("timezone", zone.map(Value::from));
            if frequency == Some(Frequency::Cron) {
                state("cron", cron.map(Value::from));
            } else {
                state("preferred_time", time.map(Value::from));
            }
            match frequency {
                Some(Frequency::Weekly | Frequency::Biweekly) => {
                    state("preferred_day", weekday.map(Value::from));
                }
                Some(Frequency::Monthly) => state("preferred_day", month_day),
                _ => {}
            }
            if frequency == Some(Frequency::Biweekly) {
                state("anchor_date", anchor.map(Value::from));
            }
            Value::Object(fields)
        },
    )
}

/// The resolved preference as JSON, field by field: the first who states it, under T12's condition.
fn model(user: &Value, layers: &[Value]) -> Option<Value> {
    let everyone = || std::iter::once(user).chain(layers);
    let first = |field: &str| everyone().find_map(|layer| layer.get(field)).cloned();
    let frequency = first("frequency")?;
    let own = |field: &str| {
        everyone()
            .filter(|layer| layer.get("frequency") == Some(&frequency))
            .find_map(|layer| layer.get(field))
            .cloned()
    };
    let mut fields = Map::new();
    fields.insert("timezone".into(), first("timezone").unwrap_or(json!("UTC")));
    let name = frequency.as_str()?;
    if name == "cron" {
        fields.insert("cron".into(), own("cron")?);
    } else {
        fields.insert("preferred_time".into(), first("preferred_time").unwrap_or(json!("09:00")));
    }
    match name {
        "weekly" | "biweekly" => {
            _ = fields
                .insert("preferred_day".into(), own("preferred_day").unwrap_or(json!("monday")));
        }
        "monthly" => {
            _ = fields.insert("preferred_day".into(), own("preferred_day").unwrap_or(json!(1)));
        }
        _ => {}
    }
    if name == "biweekly" {
        fields.insert("anchor_date".into(), own("anchor_date").unwrap_or(json!("1970-01-05")));
    }
    fields.insert("frequency".into(), frequency);
    Some(Value::Object(fields))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None,
        ..ProptestConfig::default() })]

    #[test]
    fn each_gap_is_filled_by_the_first_layer_that_may(user in any_preference(),
        layers in prop::collection::vec(any_preference(), 0..4)) {
        let defaults = Defaults(layers.iter().map(preference).collect());
        let resolved = preference(&user).stated_group(None).resolve(&defaults);
        let expected = model(&user, &layers).map(|complete| {
            PreferenceGroup::from_stated(&preference(&complete).stated_group(None))
                .expect("the model states everything")
        });
        let mut stated = std::iter::once(&user).chain(&layers);
        let is_frequency_known = stated.any(|layer| layer.get("frequency").is_some());
        let field = if is_frequency_known { "cron" } else { "frequency" };
        let missing = UnresolvedGroup { field };
        prop_assert_eq!(resolved, expected.ok_or(missing), "{} {:?}", user, layers);
    }

    #[test]
    fn whatever_was_resolved_has_a_schedule(user in any_preference(),
        layers in prop::collection::vec(any_preference(), 0..3)) {
        let defaults = Defaults(layers.iter().map(preference).collect());
        if let Ok(group) = preference(&user).stated_group(None).resolve(&defaults) {
            prop_assert!(group.time_key().is_complete());
            prop_assert!(Schedule::of(&group).next_after(Timestamp::UNIX_EPOCH).is_some());
            prop_assert_eq!(group.to_string().parse_group(), Some(group));
        }
    }
}

/// Reads the text of a preference group back: `frequency:time_key zone`.
trait ParseGroup {
    fn parse_group(&self) -> Option<PreferenceGroup>;
}

impl ParseGroup for String {
    fn parse_group(&self) -> Option<PreferenceGroup> {
        let (key, zone) = self.rsplit_once(' ')?;
        let (frequency, time_key) = key.split_once(':')?;
        PreferenceGroup::parse(frequency, time_key, zone).ok()?
    }
}

#[test]
fn a_preference_put_together_by_hand_with_a_day_of_the_wrong_kind_still_has_a_schedule() {
    let month_day = Preference {
        preferred_day: Some("31".parse::<Day>().expect("a day")),
        ..Preference::default()
    };
    for frequency in Frequency::ALL {
        let odd = Preference {
            frequency: Some(frequency),
            preferred_time: TimeOfDay::new(8, 0),
            cron: "0 9 * * *".parse().ok(),
            ..month_day.clone()
        };
        let group = odd.stated_group(None).resolve(&Defaults(vec![odd.clone()])).expect("complete");
        assert!(Schedule::of(&group).next_after(Timestamp::UNIX_EPOCH).is_some(), "{group}");
    }
    assert!(StatedGroup::new(Some(Frequency::Hourly), TimeKey::Minute(60), None).is_err());
}
