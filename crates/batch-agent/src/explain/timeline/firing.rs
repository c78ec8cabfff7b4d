//! The occurrence of a group at an instant, or the last one before it.

use cohort_preferences::{Occurrence, PreferenceGroup, Schedule};
use jiff::{SignedDuration, Timestamp};

use crate::clock::saturating_add;

/// How far back the occurrence before an instant is looked for, nearest first.
const LOOKS_BACK: [SignedDuration; 5] = [
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(2 * 24),
    SignedDuration::from_hours(16 * 24),
    SignedDuration::from_hours(64 * 24),
    SignedDuration::from_hours(5 * 366 * 24),
];

/// The occurrence of a group at this instant.
pub(super) fn firing_at(group: &PreferenceGroup, instant: Timestamp) -> Option<Occurrence> {
    let just_before = saturating_add(instant, SignedDuration::from_nanos(-1));
    Schedule::of(group).next_after(just_before).filter(|occurrence| occurrence.at == instant)
}

/// The last occurrence of a group before this instant; `None` if there was none in five years.
pub(crate) fn firing_before(group: &PreferenceGroup, instant: Timestamp) -> Option<Occurrence> {
    let schedule = Schedule::of(group);
    LOOKS_BACK.iter().find_map(|span| {
        let from = instant.checked_sub(*span).unwrap_or(Timestamp::MIN);
        schedule.after(from).take_while(|occurrence| occurrence.at < instant).last()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_occurrence_before_an_instant_is_found_for_every_frequency() {
        let before = |frequency: &str, key: &str| {
            let group =
                PreferenceGroup::parse(frequency, key, "UTC").expect("a group").expect("complete");
            firing_before(&group, "2026-12-07T10:00:00Z".parse().expect("an instant"))
                .expect("there is one")
                .at
                .to_string()
        };
        assert_eq!(before("hourly", ":00"), "2026-12-07T09:00:00Z");
        assert_eq!(before("daily", "10:00"), "2026-12-06T10:00:00Z");
        assert_eq!(before("weekly", "monday:10:00"), "2026-11-30T10:00:00Z");
        assert_eq!(before("monthly", "1:10:00"), "2026-12-01T10:00:00Z");
        assert_eq!(before("cron", "0 9 29 2 *"), "2024-02-29T09:00:00Z");
    }
}
