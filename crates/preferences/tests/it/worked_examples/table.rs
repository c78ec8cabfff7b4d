//! Rows of examples: these preferences, on this clock, asked after this instant, fire then, under
//! that name.

use cohort_preferences::{PreferenceGroup, Schedule};

pub(super) struct Row {
    group: (&'static str, &'static str),
    zone: &'static str,
    after: &'static str,
    fires: &'static [(&'static str, &'static str)],
}

pub(super) const fn row(
    group: (&'static str, &'static str),
    zone: &'static str,
    after: &'static str,
    fires: &'static [(&'static str, &'static str)],
) -> Row {
    Row { group, zone, after, fires }
}

pub(super) fn check(rows: &[Row]) {
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
