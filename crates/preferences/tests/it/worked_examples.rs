//! T2 to T9 and T11 in examples, each line checked by hand against the zone's history.
//!
//! A row reads: these preferences, on this clock, asked after this instant, fire then, under that
//! name.

use cohort_preferences::{PreferenceGroup, Schedule};

struct Row {
    group: (&'static str, &'static str),
    zone: &'static str,
    after: &'static str,
    fires: &'static [(&'static str, &'static str)],
}

const fn row(
    group: (&'static str, &'static str),
    zone: &'static str,
    after: &'static str,
    fires: &'static [(&'static str, &'static str)],
) -> Row {
    Row { group, zone, after, fires }
}

fn check(rows: &[Row]) {
    for Row { group, zone, after, fires } in rows {
        let parsed =
            PreferenceGroup::parse(group.0, group.1, zone).expect("a group").expect("complete");
        let schedule = Schedule::of(&parsed);
        let occurrences = schedule.after(after.parse().expect("an instant")).take(fires.len());
        let got: Vec<_> = occurrences
            .map(|occurrence| (occurrence.at.to_string(), occurrence.nominal.to_string()))
            .collect();
        let expected: Vec<_> =
            fires.iter().map(|(at, nominal)| ((*at).to_owned(), (*nominal).to_owned())).collect();
        assert_eq!(got, expected, "{parsed} after {after}");
    }
}

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
