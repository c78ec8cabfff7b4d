//! What should happen, counted from the calendar alone: not from schedules, runs or groups.

use std::collections::HashSet;

use anyhow::Context;
use cohort_preferences::{Frequency, TenantId};
use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use super::users::User;

/// The dates of the demo, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) first: Date,
    pub(super) last: Date,
}

/// The user who moves from daily to weekly, at noon of a day on their own clock.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub(super) tenant_id: TenantId,
    pub(super) on: Date,
}

/// Who should be processed, and on which local date.
pub(super) type Expected = HashSet<(TenantId, Date)>;

impl Interval {
    /// Returns every date, in order.
    pub(super) fn dates(self) -> impl Iterator<Item = Date> {
        self.first.series(jiff::Span::new().days(1)).take_while(move |date| *date <= self.last)
    }
}

/// Returns every (user, local date) on which the user should be processed once.
pub(super) fn expected(users: &[User], interval: Interval, moved: Option<&Move>) -> Expected {
    let frequency_on = |user: &User, date: Date| match moved {
        // The daily post of nine o'clock is out when the user moves at noon.
        Some(moved) if moved.tenant_id == user.tenant_id && date > moved.on => Frequency::Weekly,
        _ => user.frequency,
    };
    interval
        .dates()
        .flat_map(|date| users.iter().map(move |user| (user, date)))
        .filter(|(user, date)| fires_on(frequency_on(user, *date), *date))
        .map(|(user, date)| (user.tenant_id.clone(), date))
        .collect()
}

/// Returns the instant at which a date begins in UTC.
pub(super) fn midnight(date: Date) -> anyhow::Result<Timestamp> {
    TimeZone::UTC
        .to_timestamp(date.to_datetime(Time::midnight()))
        .context("the date lies at an end of the calendar")
}

fn fires_on(frequency: Frequency, date: Date) -> bool {
    match frequency {
        Frequency::Weekly => date.weekday() == Weekday::Monday,
        Frequency::Monthly => date.day() == 1,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::users;
    use super::*;

    fn count(first: &str, last: &str) -> usize {
        let interval =
            Interval { first: first.parse().expect("date"), last: last.parse().expect("date") };
        expected(&users::all(), interval, None).len()
    }

    #[test]
    fn a_month_holds_its_days_mondays_and_one_first() {
        assert_eq!(count("2026-12-01", "2026-12-31"), 31 * 2_000 + 4 * 100 + 900);
        assert_eq!(count("2028-02-01", "2028-02-29"), 29 * 2_000 + 4 * 100 + 900);
        assert_eq!(count("2026-03-02", "2026-03-02"), 2_000 + 100);
    }

    #[test]
    fn the_moved_user_is_daily_up_to_the_move_and_weekly_behind_it() {
        let users = users::all();
        let interval = Interval {
            first: "2026-12-01".parse().expect("date"),
            last: "2026-12-31".parse().expect("date"),
        };
        let moved =
            Move { tenant_id: users[0].tenant_id.clone(), on: "2026-12-16".parse().expect("date") };
        let of_moved = expected(&users, interval, Some(&moved))
            .into_iter()
            .filter(|(tenant, _)| *tenant == moved.tenant_id)
            .count();
        assert_eq!(of_moved, 16 + 2);
    }
}
