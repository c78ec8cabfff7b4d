//! When a preference group fires (T2 to T9).
//!
//! A group asks for local times; the zone's rules turn them into instants. Two kinds of
//! preference differ there:
//!
//! * **Fixed** (daily, weekly, biweekly, monthly, cron with listed hours): one nominal time per
//!   date and time asked for. A time inside a gap is read with the offset before the gap (T6), a
//!   repeated one is the first (T7), and of two that land on one instant the later names it (T8).
//! * **Following the clock** (hourly, cron with a wildcard hour): each showing of the local clock
//!   is an occurrence (T9).
//!
//! Nothing is materialised: an occurrence is found from the instant asked from, so that a schedule
//! has no state.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, ToSpan};

use crate::cron::Cron;
use crate::day::{Day, MonthDay, Weekdays};
use crate::group::PreferenceGroup;
use crate::nominal::NominalTime;
use crate::occurrence::Occurrence;
use crate::parity::Parity;
use crate::time_key::TimeKey;

/// When a preference group fires.
#[derive(Debug, Clone)]
pub struct Schedule {
    rule: Rule,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Minute(i8),
    Daily(Time),
    Weekly(Weekdays, Time),
    Biweekly(Weekdays, Time, Parity),
    Monthly(MonthDay, Time),
    Cron(Cron),
}

impl Schedule {
    /// The schedule of a preference group.
    pub fn of(group: &PreferenceGroup) -> Self {
        let rule = match group.time_key() {
            TimeKey::Minute(minute) => Rule::Minute(minute as i8),
            TimeKey::Time(time) => Rule::Daily(time.to_civil()),
            TimeKey::Day { day: Some(Day::Weekdays(days)), time: Some(time) } => {
                Rule::Weekly(days, time.to_civil())
            }
            TimeKey::Day { day: Some(Day::Month(day)), time: Some(time) } => {
                Rule::Monthly(day, time.to_civil())
            }
            TimeKey::Alternating {
                day: Some(Day::Weekdays(days)),
                time: Some(time),
                parity: Some(parity),
            } => Rule::Biweekly(days, time.to_civil(), parity),
            TimeKey::Cron(cron) => Rule::Cron(cron),
            TimeKey::Unstated | TimeKey::Day { .. } | TimeKey::Alternating { .. } => {
                unreachable!("every part of a preference group is stated")
            }
        };
        Self { rule, zone: group.timezone().rules().clone() }
    }

    /// Returns the first occurrence strictly later than `t` (T2); `None` past the end of the
    /// calendar (year 9999).
    pub fn next_after(&self, t: Timestamp) -> Option<Occurrence> {
        match self.rule {
            Rule::Minute(minute) => self.next_showing(t, |from| next_minute(from, minute)),
            Rule::Cron(cron) if cron.follows_the_clock() => {
                self.next_showing(t, |from| cron.nominals_from(from).next())
            }
            Rule::Cron(cron) => {
                self.next_fixed(t, cron.nominals_from(self.earliest_open_nominal(t)))
            }
            Rule::Daily(time) => self
                .next_fixed(t, dates_near(self.local_date(t)).map(|date| date.to_datetime(time))),
            Rule::Weekly(days, time) => {
                let dates =
                    dates_near(self.local_date(t)).filter(|date| days.contains(date.weekday()));
                self.next_fixed(t, dates.map(|date| date.to_datetime(time)))
            }
            Rule::Biweekly(days, time, parity) => {
                let dates = dates_near(self.local_date(t)).filter(|date| {
                    days.contains(date.weekday()) && Parity::of_week(*date) == parity
                });
                self.next_fixed(t, dates.map(|date| date.to_datetime(time)))
            }
            Rule::Monthly(day, time) => self.next_fixed(
                t,
                months_near(self.local_date(t))
                    .map(|month| day.in_month_of(month).to_datetime(time)),
            ),
        }
    }

    /// Returns the occurrences strictly later than `t`, in order.
    pub fn after(&self, t: Timestamp) -> impl Iterator<Item = Occurrence> {
        std::iter::successors(self.next_after(t), |occurrence| self.next_after(occurrence.at))
    }

    fn local_date(&self, t: Timestamp) -> Date {
        self.zone.to_datetime(t).date()
    }

    /// The first of `nominals`, which come in calendar order, whose instant is later than `t`.
    ///
    /// Instants grow with nominal times except inside a gap, whose times move behind times that
    /// follow it (02:30 read as 03:30 comes after 03:00). So the search goes on past a hit inside a
    /// gap until the first ordinary hit.
    fn next_fixed(
        &self,
        t: Timestamp,
        nominals: impl Iterator<Item = DateTime>,
    ) -> Option<Occurrence> {
        let mut best: Option<Occurrence> = None;
        for local in nominals {
            let ambiguous = self.zone.to_ambiguous_timestamp(local);
            let in_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
            // Within a day of either end of the calendar a local time may have no instant.
            let Ok(at) = ambiguous.compatible() else { continue };
            if at <= t {
                continue;
            }
            // Nominals grow, so an equal instant belongs to the later name (T8).
            if best.is_none_or(|best| at <= best.at) {
                best = Some(Occurrence { at, nominal: NominalTime::once(local) });
            }
            if !in_gap {
                break;
            }
        }
        best
    }

    /// A local time before which no nominal time can still fire after `t`: the local time of `t`,
    /// unless a gap in the day before may have moved earlier ones behind it.
    fn earliest_open_nominal(&self, t: Timestamp) -> DateTime {
        let local = self.zone.to_datetime(t);
        let day_before = t.checked_sub(SignedDuration::from_hours(25)).unwrap_or(Timestamp::MIN);
        let up_to_now = t.checked_add(SignedDuration::from_nanos(1)).unwrap_or(t);
        let last_change = self.zone.preceding(up_to_now).next();
        if last_change.is_none_or(|change| change.timestamp() < day_before) {
            local
        } else {
            local.checked_sub(25.hours()).unwrap_or(DateTime::MIN)
        }
    }

    /// The first instant later than `t` at which the local clock shows what `next_match` looks for
    /// (T9).
    ///
    /// `next_match` gives the first match at or after a local time. Between two changes of the
    /// offset the local clock runs straight, so each interval between them is searched
    /// by itself.
    fn next_showing(
        &self,
        t: Timestamp,
        next_match: impl Fn(DateTime) -> Option<DateTime>,
    ) -> Option<Occurrence> {
        let mut from = t.checked_add(SignedDuration::from_nanos(1)).ok()?;
        let mut offset = self.zone.to_offset(t);
        if let Some(change) =
            self.zone.following(t).next().filter(|change| change.timestamp() <= from)
        {
            offset = change.offset();
        }
        loop {
            let end = self.zone.following(from).next();
            let found = next_match(offset.to_datetime(from))
                .and_then(|local| Some((local, offset.to_timestamp(local).ok()?)));
            match (found, end) {
                (Some((local, at)), end) if end.as_ref().is_none_or(|end| at < end.timestamp()) => {
                    return Some(Occurrence { at, nominal: NominalTime::showing(local, offset) });
                }
                (_, None) => return None,
                (_, Some(end)) => (from, offset) = (end.timestamp(), end.offset()),
            }
        }
    }
}

/// The first local time at or after `from` that shows this minute with zero seconds.
fn next_minute(from: DateTime, minute: i8) -> Option<DateTime> {
    let this_hour = from.date().at(from.hour(), minute, 0, 0);
    if this_hour >= from { Some(this_hour) } else { this_hour.checked_add(1.hour()).ok() }
}

/// Dates from the day before: a gap around midnight may have moved its nominal time behind `t`.
fn dates_near(date: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(date.yesterday().unwrap_or(date)), |date| date.tomorrow().ok())
}

/// First days of months, from the month of the day before.
fn months_near(date: Date) -> impl Iterator<Item = Date> {
    let first = date.yesterday().unwrap_or(date).first_of_month();
    std::iter::successors(Some(first), |month| month.checked_add(Span::new().months(1)).ok())
}
