//! Users who are all due at one instant, in as many groups as are wanted, and users in very many
//! groups that are not due.

use std::sync::LazyLock;

use cohort_batch_agent::SystemClock;
use cohort_preferences::{Clock, Zone};
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::users;

/// The most groups that are due at one instant.
pub(super) const MOST_DUE_GROUPS: u64 = 16 * SETS;

/// The most groups none of which is due for a week.
pub(super) const MOST_FAR_GROUPS: u64 = 60 * SLOTS_A_ZONE;

/// Sets of weekdays that hold one given day.
const SETS: u64 = 64;

/// Each minute of eight days of the month.
const SLOTS_A_ZONE: u64 = 8 * 24 * 60;

/// Zones whose clocks show full hours when that of UTC does.
const ZONES: [&str; 16] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "America/Sao_Paulo",
    "Australia/Sydney",
    "America/Los_Angeles",
    "Africa/Cairo",
    "Asia/Shanghai",
    "America/Chicago",
    "America/Denver",
    "Asia/Dubai",
    "Pacific/Auckland",
    "Africa/Lagos",
    "Asia/Bangkok",
    "Pacific/Honolulu",
];

/// The first zones of the bundled database.
static FAR_ZONES: LazyLock<Vec<String>> = LazyLock::new(|| Zone::available().take(60).collect());

const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Returns a user's line of an import, due at this full hour with all others, in one of so many
/// groups.
pub(super) fn due_line(user: u64, groups: u64, at: Timestamp) -> String {
    line(user, due_preference(user % groups, at))
}

/// One group alone is daily, as most users are; more differ by the zone and by the days of the
/// week.
fn due_preference(group: u64, at: Timestamp) -> Value {
    let zone: Zone =
        ZONES[(group / SETS) as usize].parse().expect("a zone of the bundled database");
    let local = zone.rules().to_datetime(at);
    let time = format!("{:02}:{:02}", local.hour(), local.minute());
    if group == 0 {
        return json!({"frequency": "daily", "preferred_time": time, "timezone": zone.name()});
    }
    let today = local.weekday();
    let others = DAYS.iter().enumerate().filter(|(index, _)| *index != monday_zero(today));
    let set = others
        .enumerate()
        .filter(|(bit, _)| (group % SETS) >> bit & 1 == 1)
        .map(|(_, (_, day))| *day);
    let days: Vec<&str> = set.chain([DAYS[monday_zero(today)]]).collect();
    json!({"frequency": "weekly", "preferred_day": days, "preferred_time": time,
        "timezone": zone.name()})
}

/// Returns the lines of users in so many groups, none of which is due for a week from now on.
pub(super) fn far_lines(groups: u64) -> impl Fn(u64) -> String {
    let today = TimeZone::UTC.to_datetime(SystemClock.now()).date();
    move |user| far_line(user, groups, today)
}

/// Returns a user's line of an import, in one of so many groups none of which is due for a week.
fn far_line(user: u64, groups: u64, today: Date) -> String {
    let group = user % groups;
    let (zone, slot) = (&FAR_ZONES[(group / SLOTS_A_ZONE) as usize], group % SLOTS_A_ZONE);
    let time = format!("{:02}:{:02}", slot / 60 % 24, slot % 60);
    // At least ten days away on the calendar's round of 28, of which a month has three more at
    // most.
    let day = (today.day() as u64 + 10 + slot / (24 * 60)) % 28 + 1;
    line(
        user,
        json!({"frequency": "monthly", "preferred_day": day, "preferred_time": time,
            "timezone": zone}),
    )
}

fn line(user: u64, mut preference: Value) -> String {
    preference["template_overrides"] =
        json!({"tone": "professional", "signature": format!("customer {user:07}")});
    format!(
        "{{\"tenant_id\":\"{}\",\"feature_type\":\"{}\",\"preference\":{preference}}}\n",
        users::tenant(user),
        users::FEATURE
    )
}

fn monday_zero(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use cohort_preferences::{Preference, PreferenceGroup, Schedule};
    use jiff::SignedDuration;

    use super::*;

    fn group_of(line: &str) -> PreferenceGroup {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let preference = Preference::from_json(&line["preference"], "").expect("valid");
        PreferenceGroup::from_stated(&preference.stated_group(None)).expect("all is stated")
    }

    #[test]
    fn all_groups_are_due_at_the_one_instant_and_no_two_are_the_same() {
        let at: Timestamp = "2026-12-07T09:00:00Z".parse().expect("an instant");
        let groups: HashSet<_> = (0..MOST_DUE_GROUPS)
            .map(|user| group_of(&due_line(user, MOST_DUE_GROUPS, at)))
            .collect();
        assert_eq!(groups.len() as u64, MOST_DUE_GROUPS);
        for group in groups {
            let next = Schedule::of(&group)
                .next_after(at - SignedDuration::from_micros(1))
                .expect("it fires");
            assert_eq!(next.at, at, "{group}");
        }
    }

    #[test]
    fn far_users_are_in_as_many_groups_as_asked_for_and_due_in_a_week_at_the_earliest() {
        for today in ["2026-02-20", "2026-11-24", "2026-12-31"] {
            let today: Date = today.parse().expect("a date");
            let now = today.at(12, 0, 0, 0).in_tz("UTC").expect("in range").timestamp();
            let groups: HashSet<_> =
                (0..12_000).map(|user| group_of(&far_line(user, 12_000, today))).collect();
            assert_eq!(groups.len(), 12_000);
            let earliest = groups
                .iter()
                .filter_map(|group| Schedule::of(group).next_after(now))
                .map(|next| next.at)
                .min()
                .expect("they fire");
            assert!(
                earliest.duration_since(now) > SignedDuration::from_hours(6 * 24),
                "{earliest}"
            );
        }
    }
}
