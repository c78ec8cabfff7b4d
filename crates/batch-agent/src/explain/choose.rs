//! Which occurrence is meant, where a moment leaves a choice. Pure.
//!
//! An instant means itself. A local time is read on the clock of the user's group. A day means, in
//! this order: the first occurrence that the user was a member of; the first they would have been a
//! member of, had the feature been on; the first of a group that the user was in at another time of
//! the day. The explanation says what was chosen.

use std::ops::Range;

use cohort_ledger::{FiringName, Run};
use cohort_preferences::{Occurrence, PreferenceGroup, Schedule, Zone};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::moment::{DatedMoment, Moment};
use super::timeline::{MembershipInterval, Timeline};
use crate::clock::saturating_add;

/// The instant that is explained, and what fires then.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) at: Timestamp,
    /// What the moment covers, as far as people are exact: the day; the minute, or the second if
    /// seconds were given.
    pub(super) span: Range<Timestamp>,
    /// The occurrence of a group that the user was in, or was in before or after; `None` if none of
    /// them fires then.
    pub(super) occurrence: Option<(PreferenceGroup, Occurrence)>,
    /// The zone of the clock that it is told on.
    pub(super) zone: Zone,
    /// How it was chosen; `None` where there was no choice.
    pub(super) note: Option<String>,
}

impl Chosen {
    /// Chooses a run by hand instead, which the moment covers and no occurrence stands for.
    pub(super) fn by_hand(self, run: &Run) -> Self {
        let read = self.zone.rules().to_datetime(run.occurrence.at).strftime("%Y-%m-%dT%H:%M:%S");
        let note = match &self.occurrence {
            None => format!("{read}: a run by hand; nothing is due by the calendar"),
            Some((_, Occurrence { nominal, .. })) => format!(
                "{read}: a run by hand; the user is in no run of {nominal}: give that time to \
                 learn why"
            ),
        };
        Self { at: run.occurrence.at, occurrence: None, note: Some(note), ..self }
    }

    /// The run of the occurrence, as the ledger names it: by group and nominal time.
    pub(super) fn named(&self) -> Option<(&PreferenceGroup, FiringName)> {
        let (group, occurrence) = self.occurrence.as_ref()?;
        Some((group, FiringName::Nominal(occurrence.nominal)))
    }
}

/// Chooses the instant that a moment means for a user whose own zone is `own`, if they have one. A
/// day's name means the date that it has now on the user's clock.
pub(super) fn choose(
    moment: Moment,
    now: Timestamp,
    timeline: &Timeline,
    own: Option<&Zone>,
) -> Chosen {
    let today = zone_about(timeline, now, own).rules().to_datetime(now).date();
    match moment.dated(today) {
        DatedMoment::Instant(at) => at_instant(at, timeline, own, None),
        DatedMoment::Local(local) => {
            let about = TimeZone::UTC.to_timestamp(local).unwrap_or(Timestamp::MIN);
            let zone = zone_about(timeline, about, own);
            let at = zone.rules().to_timestamp(local).unwrap_or(about);
            let read = zone.rules().to_datetime(at);
            let note = format!("{read}: the time is read on the clock of {zone}");
            at_instant(at, timeline, own, Some(note))
        }
        DatedMoment::Day(day) => on_day(day, timeline, own),
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
        .map_or_else(|| zone_about(timeline, at, own), |(group, _)| group.timezone().clone());
    Chosen { at, span: at..saturating_add(at, exactness(at)), occurrence, zone, note }
}

/// How exact an instant is meant by who has typed it.
fn exactness(at: Timestamp) -> SignedDuration {
    let is_whole_minute = at.as_second().rem_euclid(60) == 0 && at.subsec_nanosecond() == 0;
    if is_whole_minute { SignedDuration::from_mins(1) } else { SignedDuration::from_secs(1) }
}

fn on_day(day: Date, timeline: &Timeline, own: Option<&Zone>) -> Chosen {
    let noon = TimeZone::UTC.to_timestamp(day.at(12, 0, 0, 0)).unwrap_or(Timestamp::MIN);
    let zone = zone_about(timeline, noon, own);
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
        let note = format!("nothing is due on {day} in {}", zone.name());
        return Chosen { at: from, span: from..until, occurrence: None, zone, note: Some(note) };
    };
    let nominal = occurrence.nominal;
    let note = match of_member.count() {
        0 => format!("{nominal}: what would have fired on {day}"),
        1 => format!("{nominal}: the one occurrence of {day}"),
        many => format!("{nominal}: the first of {many} on {day}; give a time for another"),
    };
    Chosen {
        at: occurrence.at,
        span: from..until,
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

/// The user's zone about an instant: that of their group, or else the tenant's own, or else that of
/// the group before or after, or else UTC.
fn zone_about(timeline: &Timeline, instant: Timestamp, own: Option<&Zone>) -> Zone {
    let of_group = |interval: &MembershipInterval| {
        interval.group.as_ref().ok().map(|group| group.timezone().clone())
    };
    let neighbours = || {
        timeline
            .after(instant)
            .and_then(of_group)
            .or_else(|| timeline.before(instant).and_then(of_group))
    };
    of_group(timeline.at(instant)).or_else(|| own.cloned()).or_else(neighbours).unwrap_or(Zone::UTC)
}
