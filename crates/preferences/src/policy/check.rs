//! Whether a preference keeps to the limits, and which field breaks which.

use jiff::SignedDuration;

use super::field::{Broken, Field};
use super::limits::Limits;
use super::rules::Policy;
use super::stated::{StatedPreference, widest_interval};
use crate::defaults::Defaults;
use crate::frequency::Frequency;
use crate::invalid::{Errors, Invalid, child};
use crate::labels::Labels;
use crate::preference::Preference;
use crate::time_of_day::TimeOfDay;

impl Policy {
    /// Checks whether a tenant with these labels may choose this preference.
    ///
    /// The error names each field that they may not choose, by its pointer under `pointer`, and
    /// says what is allowed.
    pub fn check(
        &self,
        preference: &Preference,
        defaults: &Defaults,
        labels: &Labels,
        pointer: &str,
    ) -> Result<(), Invalid> {
        let limits = self.limits_of(labels);
        let stated = StatedPreference::of(preference, defaults);
        let mut errors = Errors::new();
        let mut named = Vec::new();
        for Broken { field, detail } in limits.broken_by(&stated) {
            // One field may break several limits; the first says enough.
            if named.contains(&field) {
                continue;
            }
            named.push(field);
            let origin = if field.is_stated_in(preference) {
                ""
            } else {
                " (nothing is stated, and this is the feature's default)"
            };
            errors.add(child(pointer, field.name()), format!("{detail}{origin}"));
        }
        errors.into_result(())
    }
}

impl Limits {
    fn broken_by(&self, stated: &StatedPreference) -> impl Iterator<Item = Broken> {
        [
            self.frequency_broken_by(stated),
            self.interval_broken_by(stated),
            self.slot_broken_by(stated),
            self.hours_broken_by(stated),
        ]
        .into_iter()
        .flatten()
    }

    fn frequency_broken_by(&self, stated: &StatedPreference) -> Option<Broken> {
        let allowed = self.frequencies.as_ref()?;
        let frequency = stated.frequency.filter(|frequency| !allowed.contains(frequency))?;
        let allowed: Vec<_> = allowed.iter().map(|frequency| frequency.as_str()).collect();
        Some(Field::Frequency.breaks(format_args!(
            "{frequency} is not allowed; expected one of {}",
            allowed.join(", ")
        )))
    }

    fn interval_broken_by(&self, stated: &StatedPreference) -> Option<Broken> {
        let least = self.least_interval?;
        let too_near = |interval: &SignedDuration| *interval < least;
        let (field, interval) = match widest_interval(stated.frequency?).filter(too_near) {
            Some(interval) => (Field::Frequency, interval),
            None => stated.interval().filter(|(_, interval)| too_near(interval))?,
        };
        Some(field.breaks(format_args!(
            "fires {interval:#} apart at the nearest; expected at least {least:#}"
        )))
    }

    fn slot_broken_by(&self, stated: &StatedPreference) -> Option<Broken> {
        let slot = self.slot_minutes?;
        if stated.frequency == Some(Frequency::Hourly) {
            return hourly_slot_broken(slot, stated.time);
        }
        let (field, time) =
            stated.times().find(|(_, time)| !time.minute_of_day().is_multiple_of(slot))?;
        Some(field.breaks(format_args!(
            "expected times that are multiples of {slot} minutes after midnight, got {time}"
        )))
    }

    fn hours_broken_by(&self, stated: &StatedPreference) -> Option<Broken> {
        let hours = self.hours.filter(|hours| !hours.is_whole_day())?;
        if stated.frequency == Some(Frequency::Hourly) {
            return Some(
                Field::Frequency
                    .breaks(format_args!("hourly is not allowed; expected times from {hours}")),
            );
        }
        let (field, time) = stated.times().find(|(_, time)| !hours.contain(*time))?;
        Some(field.breaks(format_args!("expected times from {hours}, got {time}")))
    }
}

/// An hourly preference keeps to slots that divide the hour, if its minute is one of them.
fn hourly_slot_broken(slot: u16, time: Option<TimeOfDay>) -> Option<Broken> {
    if !60_u16.is_multiple_of(slot) {
        return Some(Field::Frequency.breaks(format_args!(
            "hourly is not allowed; expected times that are multiples of {slot} minutes"
        )));
    }
    let minute = time?.minute();
    (!u16::from(minute).is_multiple_of(slot)).then(|| {
        Field::PreferredTime
            .breaks(format_args!("expected a minute that is a multiple of {slot}, got {minute:02}"))
    })
}
