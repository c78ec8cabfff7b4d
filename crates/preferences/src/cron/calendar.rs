//! The local dates and times that match a cron expression.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use super::expression::Cron;
use crate::time_of_day::{MINUTES_A_DAY, TimeOfDay};

/// More dates than are looked at between two matching ones: at most 29 a year (29 February, over a
/// turn of a century without a leap year) of months that match, and one of each month that does
/// not.
const LONGEST_WAIT: u32 = 9 * 366;

impl Cron {
    /// Returns the matching local times at or after `from`, in the order of the calendar. Ends
    /// after the longest wait.
    pub(crate) fn nominals_from(self, from: DateTime) -> impl Iterator<Item = DateTime> {
        self.dates_from(from.date())
            .flat_map(move |date| self.times().map(move |time| date.to_datetime(time)))
            .skip_while(move |nominal| *nominal < from)
    }

    /// The times of day at which it fires, in order.
    pub(crate) fn times_of_day(self) -> impl Iterator<Item = TimeOfDay> {
        self.times().filter_map(|time| TimeOfDay::new(time.hour() as u8, time.minute() as u8))
    }

    /// The least time between two nominal times, on a clock that never changes.
    pub(crate) fn least_interval(self) -> SignedDuration {
        let minutes: Vec<i64> =
            self.times_of_day().map(|time| time.minute_of_day().into()).collect();
        let (first, last) = (minutes[0], minutes[minutes.len() - 1]);
        let overnight = self.least_days_between() * i64::from(MINUTES_A_DAY) + first - last;
        SignedDuration::from_mins(
            minutes.windows(2).map(|pair| pair[1] - pair[0]).fold(overnight, i64::min),
        )
    }

    /// The fewest days from a matching date to the next.
    ///
    /// The years 1996 to 2028 tell: among them each weekday begins a year of either length after a
    /// year of either length, and only 29 February alone is ever waited for across a whole year.
    fn least_days_between(self) -> i64 {
        let mut dates = self
            .dates_from(Date::constant(1996, 1, 1))
            .take_while(|date| date.year() <= 2028)
            .peekable();
        let mut least = i64::MAX / i64::from(MINUTES_A_DAY) - 1;
        while let (Some(date), Some(next)) = (dates.next(), dates.peek()) {
            least = least.min(next.duration_since(date).as_hours() / 24);
            if least == 1 {
                break;
            }
        }
        least
    }

    /// Whether any date matches.
    ///
    /// 1996 begins the longest run of dates that any expression has to wait through before the
    /// next leap day.
    pub(super) fn ever_fires(self) -> bool {
        self.dates_from(Date::constant(1996, 1, 1)).next().is_some()
    }

    fn dates_from(self, first: Date) -> impl Iterator<Item = Date> {
        let next = move |date: &Date| {
            if self.matches_month(*date) { *date } else { date.last_of_month() }.tomorrow().ok()
        };
        std::iter::successors(Some(first), next)
            .scan(0, move |waited, date| {
                *waited = if self.matches_date(date) { 0 } else { *waited + 1 };
                (*waited <= LONGEST_WAIT).then_some(date)
            })
            .filter(move |date| self.matches_date(*date))
    }

    fn matches_month(&self, date: Date) -> bool {
        self.months & (1 << date.month()) != 0
    }

    fn matches_date(&self, date: Date) -> bool {
        let on_day = self.days.map(|days| days & (1 << date.day()) != 0);
        let on_weekday = self
            .weekdays
            .map(|weekdays| weekdays & (1 << date.weekday().to_sunday_zero_offset()) != 0);
        // Both given mean either (T9).
        self.matches_month(date)
            && match (on_day, on_weekday) {
                (Some(day), Some(weekday)) => day || weekday,
                (Some(only), None) | (None, Some(only)) => only,
                (None, None) => true,
            }
    }

    fn times(self) -> impl Iterator<Item = Time> {
        let hours = self.hours.bits();
        let minutes = self.minutes;
        (0..24i8).filter(move |hour| hours & (1 << hour) != 0).flat_map(move |hour| {
            (0..60i8)
                .filter(move |minute| minutes & (1 << minute) != 0)
                .map(move |minute| Time::constant(hour, minute, 0, 0))
        })
    }
}
