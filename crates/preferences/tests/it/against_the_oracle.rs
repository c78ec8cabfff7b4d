//! The schedule against the oracle: T2 to T9 over all zones.

use std::sync::LazyLock;

use cohort_preferences::{NominalTime, Preference, PreferenceGroup, Schedule, Zone};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};

use crate::oracle::{DAY, LocalClock, MINUTE, StatedCron, StatedHours, StatedPreference, civil};

static ZONES: LazyLock<Vec<Zone>> = LazyLock::new(|| {
    let mut names: Vec<_> = Zone::available().collect();
    names.sort();
    names.iter().map(|name| name.parse().expect("listed as available")).collect()
});

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// 1900-01-01 and 2100-01-01.
const YEARS: std::ops::Range<i64> = -2_208_988_800..4_102_444_800;

impl StatedPreference {
    /// The preference as a user would send it.
    fn to_json(&self) -> Value {
        match self {
            Self::Hourly(minute) => {
                json!({"frequency": "hourly", "preferred_time": format!("07:{minute:02}")})
            }
            Self::Daily(time) => json!({"frequency": "daily", "preferred_time": time_text(*time)}),
            Self::Weekly(days, time) => {
                json!({"frequency": "weekly", "preferred_day": names(days),
                    "preferred_time": time_text(*time)})
            }
            Self::Biweekly(days, time, anchor) => {
                let (year, month, day) = civil(*anchor);
                let anchor = format!("{year:04}-{month:02}-{day:02}");
                json!({"frequency": "biweekly", "preferred_day": names(days),
                    "preferred_time": time_text(*time), "anchor_date": anchor})
            }
            Self::Monthly(Some(day), time) => {
                json!({"frequency": "monthly", "preferred_day": day,
                    "preferred_time": time_text(*time)})
            }
            Self::Monthly(None, time) => {
                json!({"frequency": "monthly", "preferred_day": "last",
                    "preferred_time": time_text(*time)})
            }
            Self::Cron(cron) => json!({"frequency": "cron", "cron": cron.to_text()}),
        }
    }

    fn schedule(&self, zone: &Zone) -> Schedule {
        let preference = Preference::from_json(&self.to_json(), "").expect("a preference is valid");
        let stated = preference.stated_group(Some(zone));
        Schedule::of(&PreferenceGroup::from_stated(&stated).expect("it states everything"))
    }

    /// How far the comparison looks ahead: two occurrences, or a few hundred.
    fn horizon(&self) -> i64 {
        match self {
            Self::Hourly(_) | Self::Daily(_) | Self::Cron(_) => 4 * DAY,
            Self::Weekly(..) => 15 * DAY,
            Self::Biweekly(..) => 29 * DAY,
            Self::Monthly(..) => 63 * DAY,
        }
    }
}

impl StatedCron {
    fn to_text(&self) -> String {
        let field =
            |values: &Option<Vec<i64>>| values.as_ref().map_or("*".into(), |values| list(values));
        let hours = match &self.hours {
            StatedHours::Wildcard => "*".into(),
            StatedHours::Step(step) => format!("*/{step}"),
            StatedHours::Listed(hours) => list(hours),
        };
        let (minutes, days, months) =
            (field(&self.minutes), field(&self.days), field(&self.months));
        format!("{minutes} {hours} {days} {months} {}", field(&self.weekdays))
    }
}

fn list(values: &[i64]) -> String {
    values.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

fn names(days: &[i64]) -> Vec<&'static str> {
    days.iter().map(|day| WEEKDAYS[*day as usize]).collect()
}

fn time_text(minute_of_day: i64) -> String {
    format!("{:02}:{:02}", minute_of_day / 60, minute_of_day % 60)
}

/// A zone, an instant to ask from, and the minutes of the day that are of interest there.
#[derive(Debug, Clone)]
struct Place {
    zone: Zone,
    after: Timestamp,
    /// The local time around which preferences are made.
    local_minute: i64,
    local_day: i64,
}

/// Any zone and instant, three times in four within a day and a half of a change of the clock.
fn place() -> impl Strategy<Value = Place> {
    let near = prop_oneof![3 => Just(true), 1 => Just(false)];
    (any::<prop::sample::Index>(), YEARS, near, -36 * 60..36 * 60i64, any::<bool>()).prop_map(
        |(zone, second, near, minutes, after_change)| {
            let zone = zone.get(&ZONES).clone();
            let change = near.then(|| change_near(&zone, second)).flatten();
            let moved = i64::from(!after_change);
            let centre = change.unwrap_or(second);
            let local = centre + i64::from(zone.rules().to_offset(at(centre - moved)).seconds());
            Place {
                after: at(centre + minutes * MINUTE),
                local_minute: local.rem_euclid(DAY) / MINUTE,
                local_day: local.div_euclid(DAY),
                zone,
            }
        },
    )
}

fn change_near(zone: &Zone, second: i64) -> Option<i64> {
    let (rules, t) = (zone.rules(), at(second));
    let following = rules.following(t).next();
    following
        .or_else(|| rules.preceding(t).next())
        .map(|change| change.timestamp().as_second())
        .filter(|second| YEARS.contains(second))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("inside the calendar")
}

/// Times of the day: mostly where the clock changes, else any.
fn time_at(place: &Place) -> impl Strategy<Value = i64> + use<> {
    let centre = place.local_minute;
    prop_oneof![3 => (-130..130i64).prop_map(move |minutes| (centre + minutes).rem_euclid(1440)),
        1 => 0..1440i64]
}

fn preference_at(place: &Place) -> impl Strategy<Value = StatedPreference> + use<> {
    let (_, _, of_month) = civil(place.local_day);
    let weekdays = || subsequence((0..7).collect::<Vec<i64>>(), 1..=7);
    let days = prop_oneof![
        (-1..=1i64).prop_map(move |days| Some((of_month + days).clamp(1, 31))),
        (1..=31i64).prop_map(Some),
        Just(None)
    ];
    let anchors = place.local_day - 5_000..place.local_day + 5_000;
    prop_oneof![
        (0..60i64).prop_map(StatedPreference::Hourly),
        time_at(place).prop_map(StatedPreference::Daily),
        (weekdays(), time_at(place)).prop_map(|(days, time)| StatedPreference::Weekly(days, time)),
        (weekdays(), time_at(place), anchors)
            .prop_map(|(days, time, anchor)| StatedPreference::Biweekly(days, time, anchor)),
        (days, time_at(place)).prop_map(|(day, time)| StatedPreference::Monthly(day, time)),
        cron_at(place).prop_map(StatedPreference::Cron),
        cron_at(place).prop_map(StatedPreference::Cron),
    ]
}

fn cron_at(place: &Place) -> impl Strategy<Value = StatedCron> + use<> {
    let hour = place.local_minute / 60;
    let near_hours = prop::collection::btree_set(
        (-2..3i64).prop_map(move |hours| (hour + hours).rem_euclid(24)),
        1..4,
    );
    let hours = prop_oneof![
        Just(StatedHours::Wildcard),
        (2..=24i64).prop_map(StatedHours::Step),
        near_hours.prop_map(|hours| StatedHours::Listed(hours.into_iter().collect())),
        subsequence((0..24).collect::<Vec<i64>>(), 1..=24).prop_map(StatedHours::Listed),
    ];
    let some_of = |values: std::ops::RangeInclusive<i64>, at_most| {
        prop::option::weighted(0.3, subsequence(values.collect::<Vec<_>>(), 1..=at_most))
    };
    // All 31 days or 7 weekdays would be a wildcard.
    let minutes = prop::option::weighted(0.8, subsequence((0..60).collect::<Vec<i64>>(), 1..=12));
    (minutes, hours, some_of(1..=31, 20), some_of(1..=12, 11), some_of(0..=6, 6)).prop_filter_map(
        "no such date",
        |(minutes, hours, days, months, weekdays)| {
            let cron = StatedCron { minutes, hours, days, months, weekdays };
            cron.to_text().parse::<cohort_preferences::Cron>().is_ok().then_some(cron)
        },
    )
}

fn place_and_preference() -> impl Strategy<Value = (Place, StatedPreference)> {
    place().prop_flat_map(|place| (Just(place.clone()), preference_at(&place)))
}

/// Compares all that is asked from `after` on, and `next_after` around each occurrence.
fn compare(
    zone: &Zone,
    after: Timestamp,
    preference: &StatedPreference,
    horizon: i64,
) -> Result<(), TestCaseError> {
    let (from, until) = (after.as_second() - 3 * DAY, after.as_second() + horizon + 3 * DAY);
    let step = if horizon > 5 * DAY { 15 * MINUTE } else { MINUTE };
    compare_on(
        &LocalClock::walked(zone.rules(), from, until, step),
        zone,
        after,
        preference,
        horizon,
    )
}

fn compare_on(
    clock: &LocalClock,
    zone: &Zone,
    after: Timestamp,
    preference: &StatedPreference,
    horizon: i64,
) -> Result<(), TestCaseError> {
    let end = after.as_second() + horizon;
    let expected: Vec<(Timestamp, String)> = clock
        .occurrences(preference)
        .into_iter()
        .map(|(second, name)| (at(second), name))
        .filter(|(at, _)| *at > after && at.as_second() < end)
        .collect();
    let schedule = preference.schedule(zone);
    let got: Vec<_> = schedule
        .after(after)
        .take_while(|occurrence| occurrence.at.as_second() < end)
        .take(300)
        .map(|occurrence| (occurrence.at, occurrence.nominal.to_string()))
        .collect();
    prop_assert_eq!(
        &got[..],
        &expected[..expected.len().min(300)],
        "{} {:?} after {}",
        zone,
        preference,
        after
    );

    let tick = SignedDuration::from_nanos(1);
    for pair in expected.windows(2).take(20) {
        let next = |t| schedule.next_after(t).map(|occurrence| occurrence.at);
        prop_assert_eq!(next(pair[0].0 - tick), Some(pair[0].0), "just before");
        prop_assert_eq!(next(pair[0].0), Some(pair[1].0), "strictly later (T2)");
        prop_assert_eq!(next(pair[1].0 - tick), Some(pair[1].0), "from in between");
        let reread = pair[0].1.parse::<NominalTime>().map(|name| name.to_string());
        prop_assert_eq!(reread.as_deref(), Ok(&*pair[0].1), "the name reads back (T11)");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None,
        ..ProptestConfig::default() })]

    #[test]
    fn every_schedule_fires_exactly_when_the_rules_say(
        (place, preference) in place_and_preference(),
    ) {
        compare(&place.zone, place.after, &preference, preference.horizon())?;
    }

    #[test]
    fn from_any_instant_of_the_calendar_the_next_is_later_and_near(
        zone in any::<prop::sample::Index>(),
        second in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
        time in 0..1440i64,
    ) {
        let t = at(second);
        let next = StatedPreference::Daily(time).schedule(zone.get(&ZONES)).next_after(t);
        let near = SignedDuration::from_hours(49);
        let is_at_the_end = Timestamp::MAX.duration_since(t) < near;
        prop_assert!(is_at_the_end || next.is_some());
        prop_assert!(next.is_none_or(|next| next.at > t && next.at.duration_since(t) <= near));
    }
}

/// Every kind of preference, with times through the whole day.
fn preferences_through_the_day() -> Vec<StatedPreference> {
    let mut preferences: Vec<StatedPreference> =
        (0..60).step_by(10).map(StatedPreference::Hourly).collect();
    preferences.extend((0..1440).step_by(30).map(StatedPreference::Daily));
    for time in (0..1440).step_by(150) {
        preferences.extend((0..7).map(|day| StatedPreference::Weekly(vec![day], time)));
        preferences.push(StatedPreference::Weekly(vec![0, 2, 4, 5, 6], time));
        preferences.extend(
            (0..2).map(|week| StatedPreference::Biweekly(vec![1, 4, 5, 6], time, week * 7)),
        );
        preferences.extend(
            [1, 20, 21, 22, 29, 30, 31].map(|day| StatedPreference::Monthly(Some(day), time)),
        );
        preferences.push(StatedPreference::Monthly(None, time));
    }
    let hours = [
        StatedHours::Wildcard,
        StatedHours::Step(2),
        StatedHours::Step(5),
        StatedHours::Listed((0..24).collect()),
        StatedHours::Listed(vec![0, 1, 2, 3, 23]),
        StatedHours::Listed(vec![10]),
    ];
    for hours in hours {
        for minutes in [None, Some(vec![0, 30]), Some(vec![15, 45, 59])] {
            let cron = StatedCron {
                minutes,
                hours: hours.clone(),
                days: None,
                months: None,
                weekdays: None,
            };
            preferences.push(StatedPreference::Cron(StatedCron {
                days: Some(vec![30, 31]),
                weekdays: Some(vec![6]),
                ..cron.clone()
            }));
            preferences.push(StatedPreference::Cron(cron));
        }
    }
    preferences
}

/// Where calendars and clocks were at their worst. Each zone is compared through the whole day, on
/// the days around.
const HARD_PLACES: [(&str, &str); 18] = [
    // A whole date skipped (T8).
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Pacific/Fakaofo", "2011-12-30T11:00:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00:00Z"),
    ("Pacific/Kiritimati", "1994-12-31T10:00:00Z"),
    ("Asia/Manila", "1844-12-31T15:56:08Z"),
    // A whole date, or nearly, shown twice.
    ("America/Juneau", "1867-10-19T00:31:13Z"),
    ("Pacific/Kwajalein", "1969-09-30T13:00:00Z"),
    // Half an hour, two hours.
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
    ("Antarctica/Troll", "2026-10-25T01:00:00Z"),
    // Around midnight: the gap takes a part of two dates.
    ("America/Toronto", "1919-03-31T04:30:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Havana", "2025-11-02T05:00:00Z"),
    // Ramadan, against the sun.
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00:00Z"),
    // Offsets with seconds, before and after.
    ("Africa/Monrovia", "1972-01-07T00:44:30Z"),
    ("America/New_York", "1883-11-18T17:00:00Z"),
];

#[test]
fn the_hardest_days_of_all_zones_fire_as_the_rules_say() {
    let preferences = preferences_through_the_day();
    for (zone, change) in HARD_PLACES {
        let zone: Zone = zone.parse().expect("a zone");
        let change: Timestamp = change.parse().expect("an instant");
        assert!(offset_changes_at(&zone, change), "{zone} has no change at {change}");
        let after = change - SignedDuration::from_hours(40);
        let horizon = 4 * DAY;
        let clock = LocalClock::walked(
            zone.rules(),
            after.as_second() - 3 * DAY,
            after.as_second() + horizon + 3 * DAY,
            MINUTE,
        );
        for preference in &preferences {
            compare_on(&clock, &zone, after, preference, horizon)
                .unwrap_or_else(|difference| panic!("{difference}"));
        }
    }
}

fn offset_changes_at(zone: &Zone, change: Timestamp) -> bool {
    zone.rules().to_offset(change) != zone.rules().to_offset(change - SignedDuration::from_secs(1))
}

#[test]
fn the_first_and_the_last_instant_of_the_calendar_are_no_special_case() {
    for zone in ["UTC", "Pacific/Apia", "America/New_York"] {
        let zone: Zone = zone.parse().expect("a zone");
        for preference in preferences_through_the_day() {
            let schedule = preference.schedule(&zone);
            let first =
                schedule.next_after(Timestamp::MIN).expect("nothing precedes, much follows");
            assert!(
                first.at.duration_since(Timestamp::MIN) < SignedDuration::from_hours(24 * 33),
                "{zone} {preference:?}"
            );
            assert_eq!(schedule.next_after(Timestamp::MAX), None, "{zone} {preference:?}");
        }
    }
}
