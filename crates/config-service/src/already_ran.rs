//! Whether the day of a next run has had a run already (M6, M7).
//!
//! The Config Database does not know what ran. It knows what was due for the user: what stood in
//! the preference, instant by instant, before the write. That is what the receipt tells, and it
//! leaves to the job what comes of it.

use std::ops::Range;

use cohort_preferences::{
    AlreadyRan, Defaults, Frequency, NamedRun, NextRun, Occurrence, Preference, PreferenceGroup,
    Schedule, Zone,
};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How far before a date's midnight in UTC some zone has begun that date.
const EARLIEST_DATE_LEAD: SignedDuration = SignedDuration::from_hours(14);

/// For how long a date lasts, from its beginning in the first zone to its end in the last.
const DATE_LASTS: SignedDuration = SignedDuration::from_hours(24 + 14 + 12);

/// What a user stated from an instant on.
pub(crate) struct InForce {
    pub(crate) from: Timestamp,
    /// `None` while it is deleted.
    pub(crate) preference: Option<Preference>,
    /// The user's own zone.
    pub(crate) timezone: Option<Zone>,
}

impl InForce {
    /// The preference, if it is switched on, and the group that it comes to.
    fn wanted(&self, defaults: &Defaults) -> Option<(&Preference, PreferenceGroup)> {
        let preference = self.preference.as_ref().filter(|preference| preference.is_enabled())?;
        let group = preference.stated_group(self.timezone.as_ref()).resolve_by(defaults).ok()?;
        Some((preference, group))
    }
}

/// Whether any zone has begun the date of this run by now: else no earlier run can be of that date.
pub(crate) fn has_begun(next_run: &NextRun, now: Timestamp) -> bool {
    match next_run {
        NextRun::At { next_run } => now >= beginning(next_run.nominal.date()),
        NextRun::Unknown { .. } => false,
    }
}

/// Returns what of the next run's date was due for the user before `now`, and the first run of a
/// later date; `None` if nothing was. `history` is what the preference said, newest first.
pub(crate) fn already_ran(
    next_run: &NextRun,
    history: &[InForce],
    defaults: &Defaults,
    now: Timestamp,
) -> Option<AlreadyRan> {
    let NextRun::At { next_run } = next_run else { return None };
    let date = next_run.nominal.date();
    let (preference, group) = history.first()?.wanted(defaults)?;
    if matches!(group.frequency(), Frequency::Hourly | Frequency::Cron) {
        return None;
    }
    let until = history.iter().map(|newer| newer.from);
    let intervals = history.iter().zip(std::iter::once(now).chain(until));
    let mut earlier = intervals.filter_map(|(interval, until)| {
        let (preference, group) = interval.wanted(defaults)?;
        let from = interval.from.max(beginning(date));
        let due = last_due(&group, preference, from..until, date)?;
        Some(NamedRun::of(due, group.timezone()))
    });
    let earlier = earlier.next()?;
    let then = Schedule::of(&group)
        .after(next_run.at)
        .find(|later| later.nominal.date() > date && Some(later.nominal) != preference.skip_next);
    Some(AlreadyRan { earlier, then: then.map(|then| NamedRun::of(then, group.timezone())) })
}

/// The last occurrence of a date within a span that the user neither snoozed nor asked to skip.
fn last_due(
    group: &PreferenceGroup,
    preference: &Preference,
    span: Range<Timestamp>,
    date: Date,
) -> Option<Occurrence> {
    let one = SignedDuration::from_nanos(1);
    let just_before = span.start.checked_sub(one).unwrap_or(Timestamp::MIN);
    Schedule::of(group)
        .after(just_before)
        .take_while(|due| due.at < span.end)
        .filter(|due| due.nominal.date() == date)
        .filter(|due| preference.snoozed_until.is_none_or(|until| until <= due.at))
        .filter(|due| Some(due.nominal) != preference.skip_next)
        .last()
}

/// The instant at which the first zone begins a date.
fn beginning(date: Date) -> Timestamp {
    let midnight = TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight()));
    let midnight = midnight.unwrap_or(Timestamp::MIN);
    midnight.checked_sub(EARLIEST_DATE_LEAD).unwrap_or(Timestamp::MIN)
}

/// The instant before which nothing in a history matters to a run that comes after `now`.
pub(crate) fn history_begins(now: Timestamp) -> Timestamp {
    now.checked_sub(DATE_LASTS).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::receipt;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn daily(time: &str) -> Value {
        json!({"frequency": "daily", "preferred_time": time, "timezone": "UTC"})
    }

    /// The nominal times of the earlier run and of the one after, for a history oldest first.
    fn told(history: &[(&str, Value)], now: &str) -> Option<(String, String)> {
        let of = |(from, stated): &(&str, Value)| {
            let stated = (!stated.is_null())
                .then(|| Preference::from_json(stated, "").expect("a preference"));
            InForce { from: at(from), preference: stated, timezone: None }
        };
        let history: Vec<InForce> = history.iter().rev().map(of).collect();
        let (defaults, now) = (Defaults::default(), at(now));
        let next = receipt::next_run(history[0].preference.as_ref(), None, &defaults, now);
        let told = already_ran(&next, &history, &defaults, now)?;
        assert!(has_begun(&next, now));
        Some((told.earlier.nominal.to_string(), told.then?.nominal.to_string()))
    }

    #[test]
    fn a_time_that_is_moved_to_later_on_the_same_day_has_run_already() {
        let began = ("2026-12-01T00:00:00Z", daily("09:00"));
        let moved = ("2026-12-07T09:30:00Z", daily("10:00"));
        let twice = ("2026-12-07T09:45:00Z", daily("11:00"));
        let expected = Some(("2026-12-07T09:00".to_owned(), "2026-12-08T10:00".to_owned()));
        assert_eq!(told(&[began.clone(), moved.clone()], "2026-12-07T09:30:00Z"), expected);
        let expected = Some(("2026-12-07T09:00".to_owned(), "2026-12-08T11:00".to_owned()));
        assert_eq!(
            told(&[began, moved, twice], "2026-12-07T09:45:00Z"),
            expected,
            "what ran before an earlier edit counts too"
        );
    }

    #[test]
    fn what_was_not_due_before_the_edit_has_not_run() {
        let moved = ("2026-12-07T08:30:00Z", daily("10:00"));
        for before in [
            daily("09:00"),
            json!({"frequency": "daily", "preferred_time": "08:00", "timezone": "UTC",
                "enabled": false}),
            json!({"frequency": "daily", "preferred_time": "08:00", "timezone": "UTC",
                "skip_next": "2026-12-07T08:00"}),
            json!({"frequency": "daily", "preferred_time": "08:00", "timezone": "UTC",
                "snoozed_until": "2026-12-07T08:10:00Z"}),
            json!({"frequency": "weekly", "preferred_day": "sunday", "preferred_time": "08:00",
                "timezone": "UTC"}),
            Value::Null,
        ] {
            let history = [("2026-12-01T00:00:00Z", before.clone()), moved.clone()];
            assert_eq!(told(&history, "2026-12-07T08:30:00Z"), None, "{before}");
        }
        assert_eq!(told(&[moved], "2026-12-07T08:30:00Z"), None, "the first preference");
    }

    #[test]
    fn a_frequency_that_follows_the_clock_runs_as_often_as_it_fires() {
        let hourly = json!({"frequency": "hourly", "preferred_time": "00:15", "timezone": "UTC"});
        let history = [("2026-12-01T00:00:00Z", daily("09:00")), ("2026-12-07T09:30:00Z", hourly)];
        assert_eq!(told(&history, "2026-12-07T09:30:00Z"), None);
    }
}
