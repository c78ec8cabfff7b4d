//! When a preference asks to fire, as far as it can be judged.

use jiff::SignedDuration;

use super::field::Field;
use crate::cron::Cron;
use crate::day::Day;
use crate::defaults::Defaults;
use crate::frequency::Frequency;
use crate::preference::Preference;
use crate::time_of_day::TimeOfDay;

/// When a preference asks to fire, once the feature's defaults have filled it (T12); `None` where
/// the job decides.
pub(super) struct StatedPreference {
    pub(super) frequency: Option<Frequency>,
    pub(super) time: Option<TimeOfDay>,
    day: Option<Day>,
    cron: Option<Cron>,
}

impl StatedPreference {
    pub(super) fn of(preference: &Preference, defaults: &Defaults) -> Self {
        let frequency = preference.frequency.or_else(|| defaults.first(|layer| layer.frequency));
        Self {
            frequency,
            time: preference
                .preferred_time
                .or_else(|| defaults.first(|layer| layer.preferred_time)),
            day: frequency.and_then(|frequency| day(preference, defaults, frequency)),
            cron: frequency.filter(|frequency| *frequency == Frequency::Cron).and_then(|cron| {
                preference.cron.or_else(|| defaults.first_for(cron, |layer| layer.cron))
            }),
        }
    }

    /// The least time between two occurrences, and the field that makes it so little, as far as a
    /// field besides the frequency does.
    pub(super) fn interval(&self) -> Option<(Field, SignedDuration)> {
        match (self.frequency?, self.day) {
            (Frequency::Weekly, Some(Day::Weekdays(days))) => {
                Some((Field::PreferredDay, of_days(days.least_days_between(1))))
            }
            (Frequency::Biweekly, Some(Day::Weekdays(days))) => {
                Some((Field::PreferredDay, of_days(days.least_days_between(2))))
            }
            (Frequency::Cron, _) => Some((Field::Cron, self.cron?.least_interval())),
            _ => None,
        }
    }

    /// The times of day at which it fires, as far as they are known, and the field that says so;
    /// not for hourly.
    pub(super) fn times(&self) -> impl Iterator<Item = (Field, TimeOfDay)> {
        let listed =
            self.cron.into_iter().flat_map(Cron::times_of_day).map(|time| (Field::Cron, time));
        let one = self
            .time
            .filter(|_| self.frequency != Some(Frequency::Cron))
            .map(|time| (Field::PreferredTime, time));
        listed.chain(one)
    }
}

fn day(preference: &Preference, defaults: &Defaults, frequency: Frequency) -> Option<Day> {
    let of = |layer: &Preference| layer.preferred_day_for(Some(frequency));
    of(preference).or_else(|| defaults.first_for(frequency, of))
}

/// The time between two occurrences that no choice of day or time makes longer; a month counts as
/// its shortest. `None` for cron, which may wait for years.
pub(super) fn widest_interval(frequency: Frequency) -> Option<SignedDuration> {
    match frequency {
        Frequency::Hourly => Some(SignedDuration::from_hours(1)),
        Frequency::Daily => Some(of_days(1)),
        Frequency::Weekly => Some(of_days(7)),
        Frequency::Biweekly => Some(of_days(14)),
        Frequency::Monthly => Some(of_days(28)),
        Frequency::Cron => None,
    }
}

fn of_days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}
