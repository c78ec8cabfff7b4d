//! How often a job may run a user whose group changes (M6): at most once in an interval of nominal
//! dates.

use std::ops::RangeInclusive;

use cohort_ledger::Run;
use cohort_preferences::{Frequency, Job, OncePer};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::clock::saturating_add;

/// How far before a date's midnight in UTC any zone may have begun that date, with room for a gap.
const EARLIEST_DATE_LEAD: SignedDuration = SignedDuration::from_hours(26);

/// The nominal dates in which the job runs a user of this run at most once; `None` if [`period`]
/// is, and for a trigger, which belongs to no date and so runs users who have run already.
pub(super) fn period_of(job: &Job, run: &Run) -> Option<RangeInclusive<Date>> {
    period(job, run.group.frequency(), run.occurrence.nominal.date()?)
}

/// The nominal dates around an occurrence's in which the job runs a user at most once; `None` if
/// users run as often as groups fire, as for frequencies that follow the clock, and for a static
/// job, which has one group only.
fn period(job: &Job, frequency: Frequency, date: Date) -> Option<RangeInclusive<Date>> {
    if job.schedule.is_some() || matches!(frequency, Frequency::Hourly | Frequency::Cron) {
        return None;
    }
    match job.once_per {
        OncePer::Off => None,
        OncePer::Day => Some(date..=date),
        OncePer::Period => Some(dates_around(frequency, date)),
    }
}

/// The day, the week from Monday to Sunday, or the month.
fn dates_around(frequency: Frequency, date: Date) -> RangeInclusive<Date> {
    match frequency {
        Frequency::Hourly | Frequency::Cron | Frequency::Daily => date..=date,
        Frequency::Weekly | Frequency::Biweekly => {
            let monday =
                date.saturating_sub(i64::from(date.weekday().since(Weekday::Monday)).days());
            monday..=monday.saturating_add(6.days())
        }
        Frequency::Monthly => date.first_of_month()..=date.last_of_month(),
    }
}

/// An instant at which no zone had begun the first of these dates yet.
pub(super) fn beginning(period: &RangeInclusive<Date>) -> Timestamp {
    let midnight = TimeZone::UTC
        .to_timestamp(period.start().to_datetime(Time::midnight()))
        .unwrap_or(Timestamp::MIN);
    saturating_add(midnight, -EARLIEST_DATE_LEAD)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_period_is_the_day_the_week_or_the_month_of_the_frequency() {
        let around = date(2026, 12, 3);
        assert_eq!(dates_around(Frequency::Daily, around), around..=around);
        assert_eq!(dates_around(Frequency::Weekly, around), date(2026, 11, 30)..=date(2026, 12, 6));
        assert_eq!(
            dates_around(Frequency::Biweekly, date(2026, 11, 30)),
            date(2026, 11, 30)..=date(2026, 12, 6)
        );
        assert_eq!(
            dates_around(Frequency::Monthly, around),
            date(2026, 12, 1)..=date(2026, 12, 31)
        );
    }

    #[test]
    fn a_period_has_not_begun_anywhere_at_its_beginning() {
        let day = date(2026, 12, 3)..=date(2026, 12, 3);
        let first = "Pacific/Kiritimati".parse::<cohort_preferences::Zone>().expect("a zone");
        assert!(
            beginning(&day)
                < first
                    .rules()
                    .to_timestamp(day.start().to_datetime(Time::midnight()))
                    .expect("in range")
        );
    }
}
