//! Which occurrence is meant, where a moment leaves a choice. Pure.
//!
//! An instant means itself. A local time is read on the clock of the user's group. A day means, in
//! this order: the first occurrence that the user was a member of; the first they would have been a
//! member of, had the feature been on; the first of a group that the user was in at another time of
//! the day. The explanation says what was chosen.

use cohort_ledger::FiringName;
use cohort_preferences::{Occurrence, PreferenceGroup, Schedule, Zone};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::moment::Moment;
use super::timeline::{MembershipInterval, Timeline};
use crate::clock::saturating_add;

/// The instant that is explained, and what fires then.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) at: Timestamp,
    /// The occurrence of a group that the user was in, or was in before or after; `None` if none of
    /// them fires then.
    pub(super) occurrence: Option<(PreferenceGroup, Occurrence)>,
    /// The zone of the clock that it is told on.
    pub(super) zone: Zone,
    /// How it was chosen; `None` where there was no choice.
    pub(super) note: Option<String>,
}

impl Chosen {
    /// The run of the occurrence, as the ledger names it: by group and nominal time.
    pub(super) fn named(&self) -> Option<(&PreferenceGroup, FiringName)> {
        let (group, occurrence) = self.occurrence.as_ref()?;
        Some((group, FiringName::Nominal(occurrence.nominal)))
    }
}

/// Chooses the instant that a moment means for a user whose own zone is `own`, if they have one.
pub(super) fn choose(moment: Moment, timeline: &Timeline, own: Option<&Zone>) -> Chosen {
    match moment {
        Moment::Instant(at) => at_instant(at, timeline, own, None),
        Moment::Local(local) => {
            let about = TimeZone::UTC.to_timestamp(local).unwrap_or(Timestamp::MIN);
            let zone = zone_of(timeline.at(about), own);
            let at = zone.rules().to_timestamp(local).unwrap_or(about);
            let note = format!("{at}: the time is read on the clock of {zone}");
            at_instant(at, timeline, own, Some(note))
        }
        Moment::Day(day) => on_day(day, timeline, own),
    }
}

fn at_instant(
    at: Timestamp,
    timeline: &Timeline,
    own: Option<&Zone>,
    note: Option<String>,
) -> Chosen {
    let interval = timeline.at(at);
    let fires = |interval: &MembershipInterval| {
        Some((interval.group.clone().ok()?, interval.firing_at(at)?))
    };
    let neighbours =
        || timeline.after(at).and_then(fires).or_else(|| timeline.before(at).and_then(fires));
    let occurrence = fires(interval).or_else(neighbours);
    let zone = occurrence
        .as_ref()
        .map_or_else(|| zone_of(interval, own), |(group, _)| group.timezone().clone());
    Chosen { at, occurrence, zone, note }
}

fn on_day(day: Date, timeline: &Timeline, own: Option<&Zone>) -> Chosen {
    let noon = TimeZone::UTC.to_timestamp(day.at(12, 0, 0, 0)).unwrap_or(Timestamp::MIN);
    let zone = zone_of(timeline.at(noon), own);
    let (from, until) = bounds(day, &zone);
    let all: Vec<Candidate> = timeline
        .within(from, until)
        .iter()
        .flat_map(|interval| Candidate::of_day(interval, from, until))
        .collect();
    let of_member = all.iter().filter(|candidate| candidate.is_of_member());
    let first = of_member
        .clone()
        .next()
        .or_else(|| all.iter().find(|candidate| candidate.is_within_interval()))
        .or(all.first());
    let Some(&Candidate { group, occurrence, .. }) = first else {
        let zone_of_day = zone_of(timeline.at(from), own);
        let note = format!("nothing is due on {day} in {}", zone_of_day.name());
        return Chosen { at: from, occurrence: None, zone, note: Some(note) };
    };
    let nominal = occurrence.nominal;
    let note = match of_member.count() {
        0 => format!("{nominal}: what would have fired on {day}"),
        1 => format!("{nominal}: the one occurrence of {day}"),
        many => format!("{nominal}: the first of {many} on {day}; give a time for another"),
    };
    Chosen {
        at: occurrence.at,
        occurrence: Some((group.clone(), occurrence)),
        zone: group.timezone().clone(),
        note: Some(note),
    }
}

/// An occurrence that a day may mean.
struct Candidate<'a> {
    interval: &'a MembershipInterval,
    group: &'a PreferenceGroup,
    occurrence: Occurrence,
}

impl<'a> Candidate<'a> {
    /// The occurrences of an interval's group within a day, whether the interval contains them or
    /// not.
    fn of_day(
        interval: &'a MembershipInterval,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Self> {
        let just_before = saturating_add(from, SignedDuration::from_nanos(-1));
        interval.group.iter().flat_map(move |group| {
            let schedule = Schedule::of(group);
            let occurrences: Vec<_> = schedule
                .after(just_before)
                .take_while(|occurrence| occurrence.at < until)
                .collect();
            occurrences.into_iter().map(move |occurrence| Self { interval, group, occurrence })
        })
    }

    fn is_within_interval(&self) -> bool {
        self.interval.contains(self.occurrence.at)
    }

    /// Whether the user was a member of the group then.
    fn is_of_member(&self) -> bool {
        self.interval.is_membership() && self.is_within_interval()
    }
}

/// The first instant of a day in a zone, and the first of the next.
fn bounds(day: Date, zone: &Zone) -> (Timestamp, Timestamp) {
    let start = |date: Date| zone.rules().to_timestamp(date.at(0, 0, 0, 0));
    let from = start(day).unwrap_or(Timestamp::MIN);
    (from, day.tomorrow().and_then(start).unwrap_or(Timestamp::MAX))
}

/// The zone of an interval: that of its group, or else the tenant's own, or else UTC.
fn zone_of(interval: &MembershipInterval, own: Option<&Zone>) -> Zone {
    let of_group = interval.group.as_ref().ok().map(PreferenceGroup::timezone);
    of_group.or(own).cloned().unwrap_or(Zone::UTC)
}
