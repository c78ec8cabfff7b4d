//! Durations, instants and counts as a status words them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A duration for people, in its two largest units.
pub(super) fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// An instant for people, to the minute, without a date if it is near.
pub(super) fn at(instant: Timestamp, now: Timestamp) -> String {
    let told = TimeZone::UTC.to_datetime(instant);
    let is_near = told.date() == TimeZone::UTC.to_datetime(now).date();
    let format = if is_near { "%H:%M UTC" } else { "%Y-%m-%d %H:%M UTC" };
    told.strftime(format).to_string()
}

/// A number of bytes with the unit that suits it.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut size, mut unit) = (count as f64 / 1024.0, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// Users, counted.
pub(super) fn users(count: u64) -> String {
    if count == 1 { "1 user".to_owned() } else { format!("{} users", thousands(count)) }
}

/// A number with its thousands apart.
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut apart = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_told_as_people_tell_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        let spans = [5, 60, 3_599, 7_440, 90_000];
        let told = spans.map(|seconds| span(SignedDuration::from_secs(seconds)));
        assert_eq!(told, ["5 s", "1 min", "59 min", "2 h 4 min", "1 d 1 h"]);
        assert_eq!([2_048, 412 << 20].map(bytes), ["2.0 KiB", "412.0 MiB"]);
        assert_eq!((users(1), users(5_312)), ("1 user".into(), "5,312 users".into()));
    }
}
