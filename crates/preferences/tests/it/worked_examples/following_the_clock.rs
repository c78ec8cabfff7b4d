//! Hourly preferences, and cron expressions that follow the clock (T9).

use super::table::{check, row};

#[test]
fn t9_hourly_follows_the_clock_through_gap_and_fold() {
    check(&[
        // Both passes of 02:30, told apart by their offsets.
        row(
            ("hourly", ":30"),
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            &[
                ("2026-10-25T00:30:00Z", "2026-10-25T02:30+02:00"),
                ("2026-10-25T01:30:00Z", "2026-10-25T02:30+01:00"),
                ("2026-10-25T02:30:00Z", "2026-10-25T03:30+01:00"),
            ],
        ),
        // The skipped hour has none.
        row(
            ("hourly", ":30"),
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            &[
                ("2026-03-29T00:30:00Z", "2026-03-29T01:30+01:00"),
                ("2026-03-29T01:30:00Z", "2026-03-29T03:30+02:00"),
            ],
        ),
        // Lord Howe repeats half an hour: 01:30 to 02:00.
        row(
            ("hourly", ":45"),
            "Australia/Lord_Howe",
            "2026-04-04T14:00:00Z",
            &[
                ("2026-04-04T14:45:00Z", "2026-04-05T01:45+11:00"),
                ("2026-04-04T15:15:00Z", "2026-04-05T01:45+10:30"),
                ("2026-04-04T16:15:00Z", "2026-04-05T02:45+10:30"),
            ],
        ),
        row(
            ("hourly", ":15"),
            "Australia/Lord_Howe",
            "2026-04-04T14:00:00Z",
            &[
                ("2026-04-04T14:15:00Z", "2026-04-05T01:15+11:00"),
                ("2026-04-04T15:45:00Z", "2026-04-05T02:15+10:30"),
            ],
        ),
        // Monrovia's clock was 44 minutes and 30 seconds behind until 7 January 1972, which began
        // at 00:44:30.
        row(
            ("hourly", ":00"),
            "Africa/Monrovia",
            "1972-01-06T23:00:00Z",
            &[
                ("1972-01-06T23:44:30Z", "1972-01-06T23:00-00:44:30"),
                ("1972-01-07T01:00:00Z", "1972-01-07T01:00+00:00"),
            ],
        ),
    ]);
}

#[test]
fn t9_a_cron_expression_with_a_wildcard_or_step_hour_follows_the_clock_too() {
    check(&[
        row(
            ("cron", "30 * * * *"),
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            &[
                ("2026-10-25T00:30:00Z", "2026-10-25T02:30+02:00"),
                ("2026-10-25T01:30:00Z", "2026-10-25T02:30+01:00"),
            ],
        ),
        row(
            ("cron", "30 */2 * * *"),
            "Europe/Berlin",
            "2026-03-28T23:00:00Z",
            &[
                ("2026-03-28T23:30:00Z", "2026-03-29T00:30+01:00"),
                ("2026-03-29T02:30:00Z", "2026-03-29T04:30+02:00"),
            ],
        ),
        // The same hours listed fire each date once (T6).
        row(
            ("cron", "30 0,2,4 * * *"),
            "Europe/Berlin",
            "2026-03-28T23:00:00Z",
            &[
                ("2026-03-28T23:30:00Z", "2026-03-29T00:30"),
                ("2026-03-29T01:30:00Z", "2026-03-29T02:30"),
                ("2026-03-29T02:30:00Z", "2026-03-29T04:30"),
            ],
        ),
        // Day of month and day of week both given: either. 13 December 2026 is a Sunday.
        row(
            ("cron", "0 9 13 * 5"),
            "UTC",
            "2026-12-10T00:00:00Z",
            &[
                ("2026-12-11T09:00:00Z", "2026-12-11T09:00"),
                ("2026-12-13T09:00:00Z", "2026-12-13T09:00"),
                ("2026-12-18T09:00:00Z", "2026-12-18T09:00"),
            ],
        ),
        // 2100 is no leap year.
        row(
            ("cron", "0 9 29 2 *"),
            "UTC",
            "2096-02-29T09:00:00Z",
            &[("2104-02-29T09:00:00Z", "2104-02-29T09:00")],
        ),
    ]);
}
