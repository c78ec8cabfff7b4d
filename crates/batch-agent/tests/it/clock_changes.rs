//! The nights on which clocks change, through the whole engine: in 24 zones, both nights of a year,
//! users with preferences at, inside and beside what the clock skips or repeats get the runs that
//! `Schedule` (the code behind `cohort next`) names, each once and at its instant (T3 to T9).
//!
//! An occurrence opened under its local time without the offset was planted to see it red: repeated
//! hours fire once.

use cohort_preferences::{Preference, PreferenceGroup, Schedule, Zone};
use jiff::civil::Weekday;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::stage::Stage;

/// Changes of an hour, of half an hour (Lord Howe) and two (Troll), at midnight (Havana, Beirut,
/// Santiago), for a month (Casablanca), with winter as the exception (Dublin), offsets of half and
/// quarter hours, both hemispheres.
const ZONES: [&str; 24] = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Adak",
    "America/Havana",
    "America/Los_Angeles",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/Chisinau",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Norfolk",
];

/// The year whose changes are lived: all zones above have two then.
const YEAR_BEGINS: &str = "2025-07-01T00:00:00Z";

/// One night: when its clock changes, and the local times that are skipped or repeated.
struct Night {
    zone: Zone,
    at: Timestamp,
    from: jiff::civil::DateTime,
    until: jiff::civil::DateTime,
}

impl Night {
    fn two_of(zone: &str) -> Vec<Self> {
        let zone: Zone = zone.parse().expect("a zone");
        let rules = zone.rules().clone();
        let year = YEAR_BEGINS.parse().expect("an instant");
        let changes: Vec<Timestamp> =
            rules.following(year).map(|change| change.timestamp()).take(2).collect();
        changes.into_iter().map(|at| Self::of(zone.clone(), at)).collect()
    }

    fn of(zone: Zone, at: Timestamp) -> Self {
        let moment = SignedDuration::from_secs(1);
        let shown = |offset: jiff::tz::Offset| offset.to_datetime(at);
        let (before, after) =
            (shown(zone.rules().to_offset(at - moment)), shown(zone.rules().to_offset(at)));
        Self { zone, at, from: before.min(after), until: before.max(after) }
    }

    /// Preferences at the first, the middle and the last minute of what is skipped or repeated,
    /// right
    /// behind it, and by the hour.
    fn preferences(&self) -> Vec<(String, Value)> {
        let minute = SignedDuration::from_mins(1);
        let middle = self.from + self.until.duration_since(self.from) / 2;
        let mut preferences = Vec::new();
        for local in [self.from, middle, self.until - minute, self.until] {
            let time = format!("{:02}:{:02}", local.hour(), local.minute());
            let cron = format!("{} {} * * *", local.minute(), local.hour());
            preferences.push(json!({"frequency": "daily", "preferred_time": time}));
            preferences.push(json!({"frequency": "hourly", "preferred_time": time}));
            preferences.push(json!({"frequency": "weekly", "preferred_time": time,
                "preferred_day": weekday_name(local.weekday())}));
            preferences.push(json!({"frequency": "monthly", "preferred_time": time,
                "preferred_day": local.day()}));
            preferences.push(json!({"frequency": "cron", "cron": cron}));
        }
        preferences.push(json!({"frequency": "cron", "cron": "*/20 * * * *"}));
        preferences.push(json!({"frequency": "cron", "cron": "30 */2 * * *"}));
        preferences.push(json!({"frequency": "cron", "cron": "10 0-4 * * *"}));
        let numbered = preferences.into_iter().enumerate().map(|(number, mut preference)| {
            preference["timezone"] = json!(self.zone.name());
            (format!("u{number}"), preference)
        });
        numbered.collect()
    }
}

fn weekday_name(day: Weekday) -> String {
    format!("{day:?}").to_lowercase()
}

/// What `Schedule` says of a preference between two instants.
fn named(
    user: &str,
    preference: &Value,
    from: Timestamp,
    until: Timestamp,
) -> Vec<(String, String, Timestamp)> {
    let stated =
        Preference::from_json(preference, "").expect("a valid preference").stated_group(None);
    let schedule = Schedule::of(
        &PreferenceGroup::from_stated(&stated).expect("a preference states everything"),
    );
    let due = schedule.after(from).take_while(|occurrence| occurrence.at <= until);
    due.map(|occurrence| (user.to_owned(), occurrence.nominal.to_string(), occurrence.at)).collect()
}

/// From the evening before to the morning after.
async fn live_through(night: &Night) {
    let (begin, end) =
        (night.at - SignedDuration::from_hours(5), night.at + SignedDuration::from_hours(7));
    let stage = Stage::at(&begin.to_string(), &json!({}));
    let preferences = night.preferences();
    for (user, preference) in &preferences {
        stage.source.set(user, preference.clone());
    }
    stage.run_until(&end.to_string()).await;

    let mut expected: Vec<_> = preferences
        .iter()
        .flat_map(|(user, preference)| named(user, preference, begin, end))
        .collect();
    let outcomes = stage.outcomes().await;
    let mut got: Vec<_> = outcomes
        .iter()
        .map(|o| (o.tenant_id.to_string(), o.nominal.to_string(), o.scheduled_at))
        .collect();
    expected.sort();
    got.sort();
    assert_eq!(got, expected, "{} at {}", night.zone, night.at);
    let late = outcomes.iter().find(|o| o.finished_at != o.scheduled_at || o.reason.is_some());
    assert!(late.is_none(), "{} at {}: {late:?}", night.zone, night.at);
}

#[tokio::test]
async fn on_the_first_night_of_each_zone_each_preference_runs_once_as_its_schedule_says() {
    for zone in ZONES {
        live_through(&Night::two_of(zone)[0]).await;
    }
}

#[tokio::test]
async fn on_the_second_night_of_each_zone_each_preference_runs_once_as_its_schedule_says() {
    for zone in ZONES {
        live_through(&Night::two_of(zone)[1]).await;
    }
}

#[test]
fn each_zone_skips_on_one_of_its_nights_what_it_repeats_on_the_other() {
    let is_gap = |night: &Night| {
        night.zone.rules().to_offset(night.at)
            > night.zone.rules().to_offset(night.at - SignedDuration::from_secs(1))
    };
    for zone in ZONES {
        let nights = Night::two_of(zone);
        assert!(nights.iter().all(|night| night.from < night.until), "{zone}");
        assert_ne!(is_gap(&nights[0]), is_gap(&nights[1]), "{zone}");
    }
}
