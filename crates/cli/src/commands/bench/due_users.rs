//! Users who are all due at one instant, in as many groups as are wanted, and users in very many groups.

use std::sync::LazyLock;

use cohort_preferences::Zone;
use jiff::Timestamp;
use jiff::civil::Weekday;
use serde_json::{Value, json};

use super::users;

/// The most groups that are due at one instant.
pub(super) const MOST_DUE_GROUPS: u64 = 16 * SETS;

/// The most groups in which users are scattered.
pub(super) const MOST_SCATTERED_GROUPS: u64 = 60 * SLOTS_A_WEEK;

/// Sets of weekdays that hold one given day.
const SETS: u64 = 64;

const SLOTS_A_WEEK: u64 = 7 * 24 * 60;

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
static SCATTERED_ZONES: LazyLock<Vec<String>> = LazyLock::new(|| Zone::available().take(60).collect());

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A user's line of an import, due at this full hour with all others, in one of so many groups.
pub(super) fn due_line(user: u64, groups: u64, at: Timestamp) -> String {
    line(user, due_preference(user % groups, at))
}

/// One group alone is daily, as most users are; more differ by the zone and by the days of the week.
fn due_preference(group: u64, at: Timestamp) -> Value {
    let zone: Zone = ZONES[(group / SETS) as usize].parse().expect("a zone of the bundled database");
    let local = zone.rules().to_datetime(at);
    let time = format!("{:02}:{:02}", local.hour(), local.minute());
    if group == 0 {
        return json!({"frequency": "daily", "preferred_time": time, "timezone": zone.name()});
    }
    let today = local.weekday();
    let others = DAYS.iter().enumerate().filter(|(index, _)| *index != monday_zero(today));
    let set = others.enumerate().filter(|(bit, _)| (group % SETS) >> bit & 1 == 1).map(|(_, (_, day))| *day);
    let days: Vec<&str> = set.chain([DAYS[monday_zero(today)]]).collect();
    json!({"frequency": "weekly", "preferred_day": days, "preferred_time": time, "timezone": zone.name()})
}

/// A user's line of an import, in one of so many groups that fire all over the week.
pub(super) fn scattered_line(user: u64, groups: u64) -> String {
    let group = user % groups;
    let (zone, slot) = (&SCATTERED_ZONES[(group / SLOTS_A_WEEK) as usize], group % SLOTS_A_WEEK);
    let time = format!("{:02}:{:02}", slot / 60 % 24, slot % 60);
    let day = DAYS[(slot / (24 * 60)) as usize];
    line(user, json!({"frequency": "weekly", "preferred_day": day, "preferred_time": time, "timezone": zone}))
}

fn line(user: u64, mut preference: Value) -> String {
    preference["template_overrides"] = json!({"tone": "professional", "signature": format!("customer {user:07}")});
    format!("{{\"tenant_id\":\"{}\",\"feature_type\":\"{}\",\"preference\":{preference}}}\n", users::tenant(user), users::FEATURE)
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
        let groups: HashSet<_> = (0..MOST_DUE_GROUPS).map(|user| group_of(&due_line(user, MOST_DUE_GROUPS, at))).collect();
        assert_eq!(groups.len() as u64, MOST_DUE_GROUPS);
        for group in groups {
            let next = Schedule::of(&group).next_after(at - SignedDuration::from_micros(1)).expect("it fires");
            assert_eq!(next.at, at, "{group}");
        }
    }

    #[test]
    fn scattered_users_are_in_as_many_groups_as_asked_for() {
        let groups: HashSet<_> = (0..20_000).map(|user| group_of(&scattered_line(user, 20_000))).collect();
        assert_eq!(groups.len(), 20_000);
    }
}
