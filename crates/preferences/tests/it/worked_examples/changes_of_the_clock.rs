//! Gaps and repeated hours, for preferences that fire once per date (T6 to T8).

use super::table::{check, row};

#[test]
fn t6_a_time_in_a_gap_is_read_with_the_offset_before_it() {
    check(&[
        // 02:00 becomes 03:00: 02:30 fires at 03:30 summer time, under its own name.
        row(
            ("daily", "02:30"),
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &[
                ("2026-03-29T01:30:00Z", "2026-03-29T02:30"),
                ("2026-03-30T00:30:00Z", "2026-03-30T02:30"),
            ],
        ),
        row(
            ("cron", "30 2 * * *"),
            "America/New_York",
            "2026-03-08T06:00:00Z",
            &[("2026-03-08T07:30:00Z", "2026-03-08T02:30")],
        ),
        // 23:30 became 00:30 of the next date: 23:45 fired at 00:45 of a date that it is not named
        // after.
        row(
            ("daily", "23:45"),
            "America/Toronto",
            "1919-03-30T12:00:00Z",
            &[
                ("1919-03-31T04:45:00Z", "1919-03-30T23:45"),
                ("1919-04-01T03:45:00Z", "1919-03-31T23:45"),
            ],
        ),
        // Asked between the gap and the instant: the local date is already the next one.
        row(
            ("daily", "23:45"),
            "America/Toronto",
            "1919-03-31T04:40:00Z",
            &[("1919-03-31T04:45:00Z", "1919-03-30T23:45")],
        ),
        row(
            ("cron", "45 23 * * *"),
            "America/Toronto",
            "1919-03-31T04:40:00Z",
            &[("1919-03-31T04:45:00Z", "1919-03-30T23:45")],
        ),
        // Kiritimati had no 31 December 1994; here it is asked in January for December.
        row(
            ("monthly", "last:10:00"),
            "Pacific/Kiritimati",
            "1994-12-31T12:00:00Z",
            &[("1994-12-31T20:00:00Z", "1994-12-31T10:00")],
        ),
        // Half an hour on Lord Howe, two hours at Troll.
        row(
            ("daily", "02:15"),
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00Z",
            &[("2026-10-03T15:45:00Z", "2026-10-04T02:15")],
        ),
        row(
            ("daily", "01:00"),
            "Antarctica/Troll",
            "2026-03-28T12:00:00Z",
            &[("2026-03-29T01:00:00Z", "2026-03-29T01:00")],
        ),
        row(
            ("daily", "00:30"),
            "Africa/Monrovia",
            "1972-01-06T12:00:00Z",
            &[("1972-01-07T01:14:30Z", "1972-01-07T00:30")],
        ),
        // Listed hours of which one is in the gap: 02:30 fires at 03:30, after 03:00.
        row(
            ("cron", "0,30 2,3 * * *"),
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            &[
                ("2026-03-29T01:00:00Z", "2026-03-29T03:00"),
                ("2026-03-29T01:30:00Z", "2026-03-29T03:30"),
                ("2026-03-30T00:00:00Z", "2026-03-30T02:00"),
            ],
        ),
        row(
            ("cron", "30 2,4 * * *"),
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            &[
                ("2026-03-29T01:30:00Z", "2026-03-29T02:30"),
                ("2026-03-29T02:30:00Z", "2026-03-29T04:30"),
            ],
        ),
    ]);
}

#[test]
fn t7_a_repeated_time_fires_once_at_the_first() {
    check(&[
        row(
            ("daily", "02:30"),
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &[
                ("2026-10-25T00:30:00Z", "2026-10-25T02:30"),
                ("2026-10-26T01:30:00Z", "2026-10-26T02:30"),
            ],
        ),
        // Asked in the second pass, before the local time is shown again: today is done.
        row(
            ("daily", "02:30"),
            "Europe/Berlin",
            "2026-10-25T01:10:00Z",
            &[("2026-10-26T01:30:00Z", "2026-10-26T02:30")],
        ),
        row(
            ("cron", "30 1,2 * * *"),
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            &[
                ("2026-10-25T00:30:00Z", "2026-10-25T02:30"),
                ("2026-10-26T00:30:00Z", "2026-10-26T01:30"),
            ],
        ),
        // Morocco leaves its summer offset for Ramadan: 02:30 of 15 February is shown twice.
        row(
            ("daily", "02:30"),
            "Africa/Casablanca",
            "2026-02-14T12:00:00Z",
            &[
                ("2026-02-15T01:30:00Z", "2026-02-15T02:30"),
                ("2026-02-16T02:30:00Z", "2026-02-16T02:30"),
            ],
        ),
    ]);
}

#[test]
fn t8_two_names_on_one_instant_are_one_occurrence_named_after_the_later() {
    check(&[
        // Samoa had no 30 December 2011.
        row(
            ("daily", "10:00"),
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            &[
                ("2011-12-29T20:00:00Z", "2011-12-29T10:00"),
                ("2011-12-30T20:00:00Z", "2011-12-31T10:00"),
                ("2011-12-31T20:00:00Z", "2012-01-01T10:00"),
            ],
        ),
        // Who wanted the Friday only gets it on the Saturday, under Friday's name.
        row(
            ("weekly", "friday:10:00"),
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            &[
                ("2011-12-30T20:00:00Z", "2011-12-30T10:00"),
                ("2012-01-05T20:00:00Z", "2012-01-06T10:00"),
            ],
        ),
        row(
            ("weekly", "friday,saturday:10:00"),
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            &[
                ("2011-12-30T20:00:00Z", "2011-12-31T10:00"),
                ("2012-01-05T20:00:00Z", "2012-01-06T10:00"),
            ],
        ),
        row(
            ("monthly", "30:10:00"),
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            &[
                ("2011-12-30T20:00:00Z", "2011-12-30T10:00"),
                ("2012-01-29T20:00:00Z", "2012-01-30T10:00"),
            ],
        ),
        // Asked on the Saturday, before it.
        row(
            ("weekly", "friday:10:00"),
            "Pacific/Apia",
            "2011-12-30T12:00:00Z",
            &[("2011-12-30T20:00:00Z", "2011-12-30T10:00")],
        ),
        // Kwajalein had no 21 August 1993.
        row(
            ("daily", "10:00"),
            "Pacific/Kwajalein",
            "1993-08-20T00:00:00Z",
            &[
                ("1993-08-20T22:00:00Z", "1993-08-20T10:00"),
                ("1993-08-21T22:00:00Z", "1993-08-22T10:00"),
                ("1993-08-22T22:00:00Z", "1993-08-23T10:00"),
            ],
        ),
    ]);
}
