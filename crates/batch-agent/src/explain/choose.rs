//! Which occurrence is meant, where a moment leaves a choice. Pure.
//!
//! An instant is itself. A local time is read on the clock of the user's group. Of a day it is, in
//! this order: the first occurrence that the user was a member of; the first that would have been,
//! had the feature been on; the first of a group that the user was in at another time of the day.
//! What was chosen is said.

use cohort_preferences::{Occurrence, PreferenceGroup, Zone};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::moment::Moment;
use super::timeline::{MembershipInterval, Timeline};
use cohort_preferences::Schedule;

/// What is explained.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) at: Timestamp,
    /// The occurrence of a group that the user was in, or was in before or after; `None` if none of
    /// them fires then.
    pub(super) occurrence: Option<(PreferenceGroup, Occurrence)>,
    /// On whose clock it is told.
    pub(super) zone: Zone,
    /// How it was chosen; `None` where there was no choice.
    pub(super) note: Option<String>,
}

/// Chooses the instant that a moment means for a user whose own zone is `own`.
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
    let stay = timeline.at(at);
    let fires = |stay: &MembershipInterval| Some((stay.group.clone().ok()?, stay.firing_at(at)?));
    let neighbours =
        || timeline.after(at).and_then(fires).or_else(|| timeline.before(at).and_then(fires));
    let occurrence = fires(stay).or_else(neighbours);
    let zone = occurrence
        .as_ref()
        .map_or_else(|| zone_of(stay, own), |(group, _)| group.timezone().clone());
    Chosen { at, occurrence, zone, note }
}

fn on_day(day: Date, timeline: &Timeline, own: Option<&Zone>) -> Chosen {
    let noon = TimeZone::UTC.to_timestamp(day.at(12, 0, 0, 0)).unwrap_or(Timestamp::MIN);
    let zone = zone_of(timeline.at(noon), own);
    let (from, until) = bounds(day, &zone);
    let stays = timeline.within(from, until);
    let all: Vec<_> = stays
        .iter()
        .flat_map(|stay| firings(stay, from, until).map(move |firing| (stay, firing)))
        .collect();
    let of_member: Vec<_> = all
        .iter()
        .filter(|(stay, (_, firing))| stay.is_membership() && stay.contains(firing.at))
        .collect();
    let first = of_member
        .first()
        .copied()
        .or_else(|| all.iter().find(|(stay, (_, firing))| stay.contains(firing.at)))
        .or(all.first());
    let Some((_, (group, occurrence))) = first else {
        let at = from;
        return Chosen {
            at,
            occurrence: None,
            zone,
            note: Some(format!("nothing is due on {day} in {}", name(timeline.at(at), own))),
        };
    };
    let note = match of_member.len() {
        0 => format!("{}: what would have fired on {day}", occurrence.nominal),
        1 => format!("{}: the one occurrence of {day}", occurrence.nominal),
        many => {
            format!("{}: the first of {many} on {day}; give a time for another", occurrence.nominal)
        }
    };
    Chosen {
        at: occurrence.at,
        occurrence: Some((group.clone(), *occurrence)),
        zone: group.timezone().clone(),
        note: Some(note),
    }
}

/// The occurrences of a stay's group within a day, in the stay or not.
fn firings(
    stay: &MembershipInterval,
    from: Timestamp,
    until: Timestamp,
) -> impl Iterator<Item = (PreferenceGroup, Occurrence)> {
    let group = stay.group.clone().ok();
    let just_before =
        from.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN);
    group.into_iter().flat_map(move |group| {
        let firings: Vec<_> = Schedule::of(&group)
            .after(just_before)
            .take_while(|firing| firing.at < until)
            .collect();
        firings.into_iter().map(move |firing| (group.clone(), firing))
    })
}

/// The first instant of a day in a zone, and the first of the next.
fn bounds(day: Date, zone: &Zone) -> (Timestamp, Timestamp) {
    let start = |date: Date| zone.rules().to_timestamp(date.at(0, 0, 0, 0));
    let from = start(day).unwrap_or(Timestamp::MIN);
    (from, day.tomorrow().and_then(start).unwrap_or(Timestamp::MAX))
}

fn name(stay: &MembershipInterval, own: Option<&Zone>) -> String {
    zone_of(stay, own).name().to_owned()
}

/// The clock of a stay: that of its group, or else the tenant's own, or else UTC.
fn zone_of(stay: &MembershipInterval, own: Option<&Zone>) -> Zone {
    let of_group = stay.group.as_ref().ok().map(PreferenceGroup::timezone);
    of_group.or(own).cloned().unwrap_or(Zone::UTC)
}
