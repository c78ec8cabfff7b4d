//! A second opinion on when a preference fires, slow and simple.
//!
//! It asks jiff one question only: which offset holds at an instant. From the answers, minute by
//! minute, it writes down the local clock as intervals of constant offset, and reads the rules off
//! that record. It has its own calendar, so that neither jiff's resolution of local times nor its
//! date arithmetic can hide an error of ours.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) const MINUTE: i64 = 60;
pub(crate) const DAY: i64 = 86_400;

/// What a user states, in the words of T1.
#[derive(Debug, Clone)]
pub(crate) enum StatedPreference {
    /// The minute of each hour.
    Hourly(i64),
    /// The minute of the day.
    Daily(i64),
    /// Weekdays, Monday 0, and the minute of the day.
    Weekly(Vec<i64>, i64),
    /// The same, and the day, counted from 1970-01-01, that anchors the parity.
    Biweekly(Vec<i64>, i64, i64),
    /// Day of the month (`None`: the last) and minute of the day.
    Monthly(Option<i64>, i64),
    /// Sets of values; `None` where the field is `*`. Weekdays as cron counts them, Sunday 0.
    Cron(StatedCron),
}

#[derive(Debug, Clone)]
pub(crate) struct StatedCron {
    pub(crate) minutes: Option<Vec<i64>>,
    pub(crate) hours: StatedHours,
    pub(crate) days: Option<Vec<i64>>,
    pub(crate) months: Option<Vec<i64>>,
    pub(crate) weekdays: Option<Vec<i64>>,
}

#[derive(Debug, Clone)]
pub(crate) enum StatedHours {
    Wildcard,
    Step(i64),
    Listed(Vec<i64>),
}

/// The local clock over a window, as intervals of constant offset.
pub(crate) struct LocalClock(Vec<Interval>);

/// Seconds of the Unix epoch; `end` is not part of it.
#[derive(Debug, Clone, Copy)]
struct Interval {
    start: i64,
    end: i64,
    offset: i64,
}

impl LocalClock {
    /// Looks at the offset every `step` seconds, and down to the second wherever two looks differ.
    pub(crate) fn walked(zone: &TimeZone, from: i64, until: i64, step: i64) -> Self {
        let mut current = Interval { start: from, end: until, offset: offset_at(zone, from) };
        let mut intervals = Vec::new();
        for look in (from..until).step_by(step as usize).skip(1) {
            let offset = offset_at(zone, look);
            if offset != current.offset {
                let change = first_second_unlike(zone, current.offset, look - step, look);
                intervals.push(Interval { end: change, ..current });
                current = Interval { start: change, end: until, offset };
            }
        }
        intervals.push(current);
        Self(intervals)
    }

    /// The instant of a local time that fires once (T6, T7); `None` outside the window.
    fn resolve(&self, local: i64) -> Option<i64> {
        let shown = |interval: &Interval| {
            Some(local - interval.offset).filter(|at| (interval.start..interval.end).contains(at))
        };
        let skipped = |pair: &[Interval]| {
            let (before, after) = (pair[0], pair[1]);
            let gap = before.end + before.offset..after.start + after.offset;
            gap.contains(&local).then_some(local - before.offset)
        };
        self.0.iter().find_map(shown).or_else(|| self.0.windows(2).find_map(skipped))
    }

    /// All occurrences in the window, by instant, with their names.
    pub(crate) fn occurrences(&self, preference: &StatedPreference) -> BTreeMap<i64, String> {
        if preference.follows_the_clock() {
            self.showings(preference)
        } else {
            self.fixed(preference)
        }
    }

    /// T9: each minute that the clock shows.
    fn showings(&self, preference: &StatedPreference) -> BTreeMap<i64, String> {
        let mut found = BTreeMap::new();
        for interval in &self.0 {
            let first = (interval.start + interval.offset + MINUTE - 1).div_euclid(MINUTE);
            let end = (interval.end + interval.offset + MINUTE - 1).div_euclid(MINUTE);
            for minute in (first..end).filter(|minute| {
                preference.has_time(minute.rem_euclid(1440))
                    && preference.has_date(minute.div_euclid(1440))
            }) {
                let name = format!("{}{}", local_text(minute), offset_text(interval.offset));
                found.insert(minute * MINUTE - interval.offset, name);
            }
        }
        found
    }

    /// T3 to T8: each date and time asked for, once. A later name replaces an earlier one on its
    /// instant (T8).
    fn fixed(&self, preference: &StatedPreference) -> BTreeMap<i64, String> {
        let (first, last) = (self.0[0], self.0[self.0.len() - 1]);
        let days =
            (first.start + first.offset).div_euclid(DAY)..(last.end + last.offset).div_euclid(DAY);
        let times: Vec<i64> = (0..1440).filter(|minute| preference.has_time(*minute)).collect();
        let mut found = BTreeMap::new();
        for day in days.filter(|day| preference.has_date(*day)) {
            for minute in times.iter().map(|time| day * 1440 + time) {
                if let Some(at) = self.resolve(minute * MINUTE) {
                    found.insert(at, local_text(minute));
                }
            }
        }
        found
    }
}

fn offset_at(zone: &TimeZone, second: i64) -> i64 {
    zone.to_offset(Timestamp::from_second(second).expect("windows lie inside the calendar"))
        .seconds()
        .into()
}

fn first_second_unlike(zone: &TimeZone, offset: i64, mut like: i64, mut unlike: i64) -> i64 {
    while unlike - like > 1 {
        let middle = like + (unlike - like) / 2;
        if offset_at(zone, middle) == offset {
            like = middle;
        } else {
            unlike = middle;
        }
    }
    unlike
}

impl StatedPreference {
    pub(crate) fn follows_the_clock(&self) -> bool {
        match self {
            Self::Hourly(_) => true,
            Self::Cron(cron) => !matches!(cron.hours, StatedHours::Listed(_)),
            _ => false,
        }
    }

    fn has_time(&self, minute_of_day: i64) -> bool {
        match self {
            Self::Hourly(minute) => minute_of_day % 60 == *minute,
            Self::Daily(time)
            | Self::Weekly(_, time)
            | Self::Biweekly(_, time, _)
            | Self::Monthly(_, time) => minute_of_day == *time,
            Self::Cron(cron) => {
                is_in(cron.minutes.as_ref(), minute_of_day % 60)
                    && cron.hours.hold(minute_of_day / 60)
            }
        }
    }

    /// Days are counted from 1970-01-01, a Thursday.
    fn has_date(&self, day: i64) -> bool {
        match self {
            Self::Hourly(_) | Self::Daily(_) => true,
            Self::Weekly(weekdays, _) => weekdays.contains(&monday_zero(day)),
            Self::Biweekly(weekdays, _, anchor) => {
                let weeks = (monday_of(day) - monday_of(*anchor)) / 7;
                weekdays.contains(&monday_zero(day)) && weeks % 2 == 0
            }
            Self::Monthly(wanted, _) => {
                let (_, _, of_month) = civil(day);
                let is_last = civil(day + 1).2 == 1;
                wanted
                    .map_or(is_last, |wanted| of_month == wanted || (is_last && of_month < wanted))
            }
            Self::Cron(cron) => cron.has_date(day),
        }
    }
}

impl StatedCron {
    fn has_date(&self, day: i64) -> bool {
        let (_, month, of_month) = civil(day);
        let sunday_zero = (day + 4).rem_euclid(7);
        let on_day = is_in(self.days.as_ref(), of_month);
        let on_weekday = is_in(self.weekdays.as_ref(), sunday_zero);
        let either = if self.days.is_some() && self.weekdays.is_some() {
            on_day || on_weekday
        } else {
            on_day && on_weekday
        };
        is_in(self.months.as_ref(), month) && either
    }
}

impl StatedHours {
    fn hold(&self, hour: i64) -> bool {
        match self {
            Self::Wildcard => true,
            Self::Step(step) => hour % step == 0,
            Self::Listed(hours) => hours.contains(&hour),
        }
    }
}

fn is_in(values: Option<&Vec<i64>>, value: i64) -> bool {
    values.is_none_or(|values| values.contains(&value))
}

pub(crate) fn monday_zero(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

fn monday_of(day: i64) -> i64 {
    day - monday_zero(day)
}

/// Year, month and day of the Gregorian calendar, found by walking whole years and months.
pub(crate) fn civil(day: i64) -> (i64, i64, i64) {
    let (cycle, mut left) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let mut year = 1970 + cycle * 400;
    while left >= days_in_year(year) {
        left -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while left >= days_in_month(year, month) {
        left -= days_in_month(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

fn days_in_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn local_text(minute: i64) -> String {
    let (year, month, day) = civil(minute.div_euclid(1440));
    let of_day = minute.rem_euclid(1440);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}", of_day / 60, of_day % 60)
}

fn offset_text(offset: i64) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes, seconds) =
        (offset.abs() / 3600, offset.abs() / 60 % 60, offset.abs() % 60);
    if seconds == 0 {
        format!("{sign}{hours:02}:{minutes:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}:{seconds:02}")
    }
}
