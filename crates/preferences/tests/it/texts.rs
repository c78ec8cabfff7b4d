//! T10 and T11: equal preferences are equal text, different ones are not, and every text reads back
//! as what it says.

use cohort_preferences::{
    Cron, Day, Frequency, MonthDay, NamedRun, NextRun, NoNextRun, NominalTime, Occurrence, Parity,
    Preference, PreferenceGroup, Receipt, StatedGroup, TimeKey, TimeOfDay, Weekdays, Zone,
};
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn time() -> impl Strategy<Value = TimeOfDay> {
    (0..24u8, 0..60u8).prop_map(|(hour, minute)| TimeOfDay::new(hour, minute).expect("a time"))
}

fn weekdays() -> impl Strategy<Value = Weekdays> {
    let days = prop::collection::vec(1..=7i8, 1..8);
    days.prop_map(|days| {
        Weekdays::new(
            days.into_iter().map(|day| Weekday::from_monday_one_offset(day).expect("1 to 7")),
        )
        .expect("some")
    })
}

fn month_day() -> impl Strategy<Value = MonthDay> {
    prop_oneof![(1..=31u8).prop_map(|day| MonthDay::new(day).expect("a day")), Just(MonthDay::Last)]
}

fn cron() -> impl Strategy<Value = Cron> {
    let field = |values: std::ops::Range<u8>| {
        let at_most = values.len();
        prop_oneof![
            Just("*".to_owned()),
            (1..30u8).prop_map(|step| format!("*/{step}")),
            subsequence(values.collect::<Vec<_>>(), 1..=at_most).prop_map(|values| joined(&values)),
        ]
    };
    (field(0..60), field(0..24), field(1..32), field(1..13), field(0..8)).prop_filter_map(
        "no such date",
        |(minute, hour, day, month, weekday)| {
            format!("{minute} {hour} {day} {month} {weekday}").parse().ok()
        },
    )
}

fn joined(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn time_key() -> impl Strategy<Value = TimeKey> {
    use prop::option::of;
    let any_day = prop_oneof![weekdays().prop_map(Day::Weekdays), month_day().prop_map(Day::Month)];
    prop_oneof![
        Just(TimeKey::Unstated),
        (0..60u8).prop_map(TimeKey::Minute),
        time().prop_map(TimeKey::Time),
        (of(any_day), of(time())).prop_map(|(day, time)| TimeKey::Day { day, time }),
        (of(weekdays()), of(time()), of(select(vec![Parity::Even, Parity::Odd]))).prop_map(
            |(day, time, parity)| TimeKey::Alternating {
                day: day.map(Day::Weekdays),
                time,
                parity
            }
        ),
        cron().prop_map(TimeKey::Cron),
    ]
}

fn zone() -> impl Strategy<Value = Zone> {
    let names: Vec<_> = Zone::available().collect();
    select(names).prop_map(|name| name.parse().expect("listed as available"))
}

/// Any valid preference as JSON, with its parts stated or not.
fn preference_json() -> impl Strategy<Value = Value> {
    use prop::option::of;
    let frequency = of(select(Frequency::ALL.to_vec()));
    (
        frequency,
        of(time()),
        of(weekdays_json()),
        of(month_day()),
        of(cron()),
        of(zone()),
        of(0..40_000i32),
    )
        .prop_map(|(frequency, time, weekdays, month_day, cron, zone, anchor)| {
            let mut fields = serde_json::Map::new();
            let mut state = |name: &str, value: Option<Value>| {
                _ = value.map(|value| fields.insert(name.into(), value));
            };
            state("frequency", frequency.map(|frequency| json!(frequency)));
            state("timezone", zone.map(|zone| json!(zone.name())));
            state(
                "preferred_time",
                time.filter(|_| frequency != Some(Frequency::Cron))
                    .map(|time| json!(time.to_string())),
            );
            match frequency {
                Some(Frequency::Weekly) => state("preferred_day", weekdays),
                Some(Frequency::Biweekly) => {
                    state("preferred_day", weekdays);
                    state("anchor_date", anchor.map(|day| json!(day_after_1970(day).to_string())));
                }
                Some(Frequency::Monthly) => state("preferred_day", month_day.map(month_day_json)),
                Some(Frequency::Cron) => state("cron", cron.map(|cron| json!(cron.to_string()))),
                _ => {}
            }
            Value::Object(fields)
        })
}

fn weekdays_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(WEEKDAYS.to_vec()).prop_map(|day| json!(day)),
        prop::collection::vec(select(WEEKDAYS.to_vec()), 1..9).prop_map(|days| json!(days)),
    ]
}

fn month_day_json(day: MonthDay) -> Value {
    match day {
        MonthDay::Number(day) => json!(day),
        MonthDay::Last => json!("last"),
    }
}

fn day_after_1970(days: i32) -> Date {
    Date::constant(1970, 1, 1)
        .checked_add(jiff::Span::new().days(days))
        .expect("inside the calendar")
}

fn read(preference: &Value) -> Preference {
    Preference::from_json(preference, "")
        .unwrap_or_else(|invalid| panic!("{preference}: {invalid}"))
}

/// The three texts of a group, as they stand in tables and paths.
fn texts(group: &StatedGroup) -> (&str, String, &str) {
    (group.frequency_text(), group.time_key().to_string(), group.timezone_text())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None,
        ..ProptestConfig::default() })]

    #[test]
    fn a_time_key_reads_back_as_itself(key in time_key()) {
        prop_assert_eq!(key.to_string().parse::<TimeKey>(), Ok(key));
        prop_assert_eq!(serde_json::from_value::<TimeKey>(json!(key)).ok(), Some(key));
    }

    #[test]
    fn keys_are_equal_exactly_if_their_texts_are(a in time_key(), b in time_key()) {
        prop_assert_eq!(a == b, a.to_string() == b.to_string());
    }

    #[test]
    fn the_group_of_a_preference_reads_back_from_its_texts(preference in preference_json(),
        tenant in prop::option::of(zone())) {
        let group = read(&preference).stated_group(tenant.as_ref());
        let (frequency, time_key, timezone) = texts(&group);
        let reread = StatedGroup::parse(frequency, &time_key, timezone);
        prop_assert_eq!(reread.as_ref(), Ok(&group));
        prop_assert_eq!(serde_json::from_value::<StatedGroup>(json!(&group)).ok(),
            Some(group.clone()));
        if let Some(complete) = PreferenceGroup::from_stated(&group) {
            prop_assert_eq!(PreferenceGroup::parse(frequency, &time_key, timezone),
                Ok(Some(complete.clone())));
            prop_assert_eq!(serde_json::from_value::<PreferenceGroup>(json!(&complete)).ok(),
                Some(complete));
        }
    }

    #[test]
    fn the_group_key_of_the_specification_parses_without_ambiguity(
        preference in preference_json(),
    ) {
        let group = read(&preference).stated_group(None);
        let key = format!("{}:{}", group.frequency_text(), group.time_key());
        let split = key.split_once(':');
        let (frequency, time_key) = split.expect("a colon stands behind the frequency");
        prop_assert_eq!(StatedGroup::parse(frequency, time_key, group.timezone_text()), Ok(group));
    }

    #[test]
    fn order_repeats_and_case_make_no_other_group(preference in preference_json(),
        turns in 0..8usize, upper in any::<bool>()) {
        let mut respelled = preference.clone();
        if let Some(Value::Array(days)) = respelled.get_mut("preferred_day") {
            let turns = turns % days.len();
            days.rotate_left(turns);
            days.extend_from_within(..1);
        }
        if let Some(Value::String(name)) = respelled.get_mut("timezone") {
            *name = if upper { name.to_uppercase() } else { name.to_lowercase() };
        }
        prop_assert_eq!(read(&respelled).stated_group(None), read(&preference).stated_group(None));
    }

    #[test]
    fn a_single_weekday_is_the_list_of_it_alone(day in select(WEEKDAYS.to_vec())) {
        let of = |day: Value| read(&json!({"frequency": "weekly",
            "preferred_day": day})).stated_group(None);
        prop_assert_eq!(of(json!(day)), of(json!([day])));
    }

    #[test]
    fn all_anchors_in_weeks_of_one_parity_state_one_group(day in 0..40_000i32, weeks in 0..500i32,
        weekday in 0..7i32) {
        let of = |day: i32| read(&json!({"frequency": "biweekly",
            "anchor_date": day_after_1970(day).to_string()})).stated_group(None);
        // Days from 1970-01-05, a Monday.
        let monday = 4 + day / 7 * 7;
        prop_assert_eq!(of(monday), of(monday + weekday + 14 * weeks));
        prop_assert_ne!(of(monday), of(monday + weekday + 14 * weeks + 7));
    }

    #[test]
    fn the_same_values_in_any_cron_spelling_are_one_text(spelling in cron_in_two_spellings()) {
        let (plain, spelled) = spelling;
        prop_assert_eq!(plain.parse::<Cron>().map(|cron| cron.to_string()),
            spelled.parse::<Cron>().map(|cron| cron.to_string()), "{} and {}", plain, spelled);
    }

    #[test]
    fn a_nominal_time_reads_back_as_itself(
        minutes in Timestamp::MIN.as_second() / 60..Timestamp::MAX.as_second() / 60,
        offset in prop::option::of(-93_599..=93_599i32),
    ) {
        let minute = Timestamp::from_second(minutes * 60).expect("inside the calendar");
        let local = Offset::UTC.to_datetime(minute);
        let nominal = match offset {
            None => NominalTime::once(local),
            Some(seconds) => NominalTime::showing(local,
                Offset::from_seconds(seconds).expect("inside the range")),
        };
        prop_assert_eq!(nominal.to_string().parse(), Ok(nominal));
    }
}

/// The same sets of values: sorted lists, and shuffled with ranges, repeats, names and other white
/// space.
fn cron_in_two_spellings() -> impl Strategy<Value = (String, String)> {
    let minutes = (0..50u8, 1..10u8);
    let months = subsequence((1..=12usize).collect::<Vec<_>>(), 1..12);
    let weekdays = subsequence((0..7usize).collect::<Vec<_>>(), 1..7);
    (minutes, months.prop_shuffle(), weekdays.prop_shuffle()).prop_map(
        |((first, length), months, weekdays)| {
            let month_names = [
                "jan", "Feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
            ];
            let weekday_names = ["7", "Mon", "TUE", "wed", "thu", "fri", "sat"];
            let minutes: Vec<u8> = (first..=first + length).collect();
            let plain =
                format!("{} 9 * {} {}", joined(&minutes), joined(&months), joined(&weekdays));
            let months: Vec<_> = months.iter().map(|month| month_names[month - 1]).collect();
            let weekdays: Vec<_> =
                weekdays.iter().chain(&weekdays[..1]).map(|day| weekday_names[*day]).collect();
            (
                plain,
                format!(
                    "  {first}-{},{first}\t09  */1 {} {} ",
                    first + length,
                    months.join(","),
                    weekdays.join(",")
                ),
            )
        },
    )
}

#[test]
fn no_two_zones_share_a_name_and_each_is_found_by_its_own() {
    for name in Zone::available() {
        let zone: Zone = name.parse().expect("listed as available");
        assert_eq!(zone.name(), name);
    }
    assert_eq!("UTC".parse(), Ok(Zone::UTC));
    assert_eq!("utc".parse(), Ok(Zone::UTC));
    for wrong in [
        "",
        "-",
        "Mars/Olympus",
        "Etc/Unknown",
        "Europe",
        "+02:00",
        "EST5EDT,M3.2.0,M11.1.0",
        "../UTC",
    ] {
        assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
    }
}

#[test]
fn t10_time_keys_are_written_as_the_rule_says() {
    let key = |preference: Value| read(&preference).stated_group(None).time_key().to_string();
    for (preference, expected) in [
        (json!({"frequency": "daily", "preferred_time": "09:00"}), "09:00"),
        (
            json!({"frequency": "weekly", "preferred_day": "monday", "preferred_time": "10:00"}),
            "monday:10:00",
        ),
        (
            json!({"frequency": "weekly", "preferred_day": ["thursday", "monday"],
                "preferred_time": "10:00"}),
            "monday,thursday:10:00",
        ),
        (json!({"frequency": "monthly", "preferred_day": 1, "preferred_time": "10:00"}), "1:10:00"),
        (
            json!({"frequency": "monthly", "preferred_day": "last", "preferred_time": "10:00"}),
            "last:10:00",
        ),
        (json!({"frequency": "hourly", "preferred_time": "13:05"}), ":05"),
        (
            json!({"frequency": "biweekly", "preferred_day": "monday", "preferred_time": "10:00",
                "anchor_date": "2026-01-05"}),
            "monday:10:00~0",
        ),
        (
            json!({"frequency": "biweekly", "preferred_day": "monday", "preferred_time": "10:00",
                "anchor_date": "2026-01-18"}),
            "monday:10:00~1",
        ),
        (json!({"frequency": "biweekly"}), "-:-~-"),
        (json!({"frequency": "cron", "cron": "0 9 * * MON-FRI"}), "0 9 * * 1,2,3,4,5"),
        (json!({"frequency": "weekly"}), "-:-"),
        (json!({"frequency": "cron"}), "-"),
        (json!({}), "-"),
    ] {
        assert_eq!(key(preference.clone()), expected, "{preference}");
    }
}

#[test]
fn t11_an_occurrence_is_written_with_its_instant_and_its_name() {
    let text = json!({"scheduled_at": "2026-10-25T00:30:00Z", "nominal": "2026-10-25T02:30+02:00"});
    let occurrence: Occurrence = serde_json::from_value(text.clone()).expect("valid");
    assert_eq!(serde_json::to_value(occurrence).ok(), Some(text));
}

#[test]
fn m7_a_receipt_names_the_next_run_or_the_reason_for_none() {
    let receipt = |next_run| Receipt {
        version: 3,
        takes_effect_at: Timestamp::UNIX_EPOCH,
        next_run,
        already_ran: None,
    };
    let named = NextRun::At {
        next_run: NamedRun {
            nominal: "2026-12-07T10:00".parse().expect("a nominal time"),
            timezone: "UTC".into(),
            at: "2026-12-07T10:00:00Z".parse().expect("an instant"),
        },
    };
    for (next_run, expected) in [
        (
            named,
            json!({"version": 3, "takes_effect_at": "1970-01-01T00:00:00Z",
                "next_run": {"nominal": "2026-12-07T10:00", "timezone": "UTC",
                    "at": "2026-12-07T10:00:00Z"}}),
        ),
        (
            NextRun::unknown(NoNextRun::DependsOnJob),
            json!({"version": 3, "takes_effect_at": "1970-01-01T00:00:00Z", "next_run": null,
                "reason": "depends_on_job"}),
        ),
    ] {
        let receipt = receipt(next_run);
        assert_eq!(serde_json::to_value(&receipt).ok(), Some(expected.clone()));
        assert_eq!(serde_json::from_value::<Receipt>(expected).ok(), Some(receipt));
    }
}
