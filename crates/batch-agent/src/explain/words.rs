//! Instants, spans, groups and counts as people say them.

use cohort_preferences::{PreferenceGroup, Zone};
use jiff::{SignedDuration, Timestamp};

/// `Monday 7 December at 10:00 Europe/Berlin`; with the year if it is not the current one.
pub(super) fn day_and_time(at: Timestamp, zone: &Zone, now: Timestamp) -> String {
    format!("{} {zone}", time_of(at, zone, now))
}

/// The same without the zone, where that was said before.
pub(super) fn time_of(at: Timestamp, zone: &Zone, now: Timestamp) -> String {
    let (local, today) = (zone.rules().to_datetime(at), zone.rules().to_datetime(now));
    let year = if local.year() == today.year() { "" } else { " %Y" };
    let seconds = if local.second() == 0 { "" } else { ":%S" };
    local.strftime(&format!("%A %-d %B{year} at %H:%M{seconds}")).to_string()
}

/// `3 hours`, `2 days`: the largest unit only.
pub(super) fn rough(span: SignedDuration) -> String {
    let seconds = span.abs().as_secs();
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// `daily:09:00 in UTC`.
pub(super) fn group(group: &PreferenceGroup) -> String {
    format!("{}:{} in {}", group.frequency(), group.time_key(), group.timezone())
}

/// `once`, `twice`, `3 times`.
pub(super) fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        many => format!("{many} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn an_instant_is_said_on_the_users_clock_with_the_year_only_if_it_is_another() {
        let (berlin, now) = ("Europe/Berlin".parse().expect("a zone"), at("2026-12-08T00:00:00Z"));
        assert_eq!(
            day_and_time(at("2026-12-07T09:00:00Z"), &berlin, now),
            "Monday 7 December at 10:00 Europe/Berlin"
        );
        assert_eq!(
            time_of(at("2025-12-07T20:14:07Z"), &berlin, now),
            "Sunday 7 December 2025 at 21:14:07"
        );
    }

    #[test]
    fn a_span_is_said_in_its_largest_unit() {
        let spans =
            [1, 90, 600, 10_800, 400_000].map(|seconds| rough(SignedDuration::from_secs(seconds)));
        assert_eq!(spans, ["1 second", "90 seconds", "10 minutes", "3 hours", "4 days"]);
    }
}
