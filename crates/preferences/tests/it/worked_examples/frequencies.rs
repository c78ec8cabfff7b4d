//! When each frequency fires where the clock does not change (T2 to T5).

use super::table::{check, row};

#[test]
fn t2_the_next_occurrence_is_strictly_later() {
    check(&[
        row(
            ("daily", "09:00"),
            "UTC",
            "2026-12-07T08:59:59.999999999Z",
            &[("2026-12-07T09:00:00Z", "2026-12-07T09:00")],
        ),
        row(
            ("daily", "09:00"),
            "UTC",
            "2026-12-07T09:00:00Z",
            &[("2026-12-08T09:00:00Z", "2026-12-08T09:00")],
        ),
        row(
            ("hourly", ":30"),
            "UTC",
            "2026-12-07T23:30:00Z",
            &[("2026-12-08T00:30:00Z", "2026-12-08T00:30+00:00")],
        ),
        row(
            ("cron", "0 9 * * 1"),
            "UTC",
            "2026-12-07T09:00:00Z",
            &[("2026-12-14T09:00:00Z", "2026-12-14T09:00")],
        ),
    ]);
}

#[test]
fn t3_daily_and_weekly_fire_once_on_each_chosen_local_date() {
    check(&[
        // In Berlin the local date changes at 23:00 UTC in winter.
        row(
            ("daily", "00:15"),
            "Europe/Berlin",
            "2026-12-07T23:00:00Z",
            &[("2026-12-07T23:15:00Z", "2026-12-08T00:15")],
        ),
        // Nine in Berlin moves by an hour in UTC when summer time begins on 29 March.
        row(
            ("daily", "09:00"),
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            &[
                ("2026-03-28T08:00:00Z", "2026-03-28T09:00"),
                ("2026-03-29T07:00:00Z", "2026-03-29T09:00"),
                ("2026-03-30T07:00:00Z", "2026-03-30T09:00"),
            ],
        ),
        // 7 December 2026 is a Monday; Monday 08:00 in Tokyo is still Sunday in UTC.
        row(
            ("weekly", "monday:08:00"),
            "Asia/Tokyo",
            "2026-12-06T00:00:00Z",
            &[
                ("2026-12-06T23:00:00Z", "2026-12-07T08:00"),
                ("2026-12-13T23:00:00Z", "2026-12-14T08:00"),
            ],
        ),
        row(
            ("weekly", "monday,thursday:10:00"),
            "UTC",
            "2026-12-07T10:00:00Z",
            &[
                ("2026-12-10T10:00:00Z", "2026-12-10T10:00"),
                ("2026-12-14T10:00:00Z", "2026-12-14T10:00"),
            ],
        ),
    ]);
}

#[test]
fn t4_biweekly_alternates_from_monday_to_sunday_without_a_start() {
    check(&[
        // 1970-01-05 is in an even week; the Sunday before it belongs to the odd week before.
        row(
            ("biweekly", "monday,sunday:10:00~0"),
            "UTC",
            "1970-01-01T00:00:00Z",
            &[
                ("1970-01-05T10:00:00Z", "1970-01-05T10:00"),
                ("1970-01-11T10:00:00Z", "1970-01-11T10:00"),
                ("1970-01-19T10:00:00Z", "1970-01-19T10:00"),
            ],
        ),
        row(
            ("biweekly", "sunday:10:00~1"),
            "UTC",
            "1970-01-01T00:00:00Z",
            &[
                ("1970-01-04T10:00:00Z", "1970-01-04T10:00"),
                ("1970-01-18T10:00:00Z", "1970-01-18T10:00"),
            ],
        ),
        // Parity goes on over a year of 53 ISO weeks: 2026-12-28 is 2,973 weeks (odd) from
        // 1970-01-05.
        row(
            ("biweekly", "monday:10:00~1"),
            "UTC",
            "2026-12-20T00:00:00Z",
            &[
                ("2026-12-28T10:00:00Z", "2026-12-28T10:00"),
                ("2027-01-11T10:00:00Z", "2027-01-11T10:00"),
            ],
        ),
        // Before 1970 too.
        row(
            ("biweekly", "monday:10:00~0"),
            "UTC",
            "1969-12-01T00:00:00Z",
            &[
                ("1969-12-08T10:00:00Z", "1969-12-08T10:00"),
                ("1969-12-22T10:00:00Z", "1969-12-22T10:00"),
                ("1970-01-05T10:00:00Z", "1970-01-05T10:00"),
            ],
        ),
    ]);
}

#[test]
fn t5_monthly_clamps_to_the_last_day_and_skips_no_month() {
    check(&[
        row(
            ("monthly", "31:10:00"),
            "UTC",
            "2027-01-01T00:00:00Z",
            &[
                ("2027-01-31T10:00:00Z", "2027-01-31T10:00"),
                ("2027-02-28T10:00:00Z", "2027-02-28T10:00"),
                ("2027-03-31T10:00:00Z", "2027-03-31T10:00"),
                ("2027-04-30T10:00:00Z", "2027-04-30T10:00"),
            ],
        ),
        row(
            ("monthly", "29:10:00"),
            "UTC",
            "2028-02-01T00:00:00Z",
            &[
                ("2028-02-29T10:00:00Z", "2028-02-29T10:00"),
                ("2028-03-29T10:00:00Z", "2028-03-29T10:00"),
            ],
        ),
        row(
            ("monthly", "last:10:00"),
            "UTC",
            "2026-04-01T00:00:00Z",
            &[
                ("2026-04-30T10:00:00Z", "2026-04-30T10:00"),
                ("2026-05-31T10:00:00Z", "2026-05-31T10:00"),
            ],
        ),
        row(
            ("monthly", "1:00:00"),
            "Pacific/Auckland",
            "2026-12-31T10:59:00Z",
            &[("2026-12-31T11:00:00Z", "2027-01-01T00:00")],
        ),
    ]);
}
