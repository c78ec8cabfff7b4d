//! Defaults: what fills the parts of a group that its users did not state (T12).
//!
//! ```text
//! stated by the users ─► the feature's defaults ─► the job's defaults ─► the last resort
//! ```
//!
//! The first layer that states a part wins. Day, anchor and cron of a layer count only if the
//! layer's own frequency is the resulting one: a default "weekly on Monday" says nothing about the
//! day of a monthly preference.

use crate::day::{Day, MonthDay, Weekdays};
use crate::frequency::Frequency;
use crate::group::{PreferenceGroup, StatedGroup};
use crate::parity::Parity;
use crate::preference::Preference;
use crate::time_key::TimeKey;
use crate::time_of_day::TimeOfDay;
use crate::zone::Zone;

/// Default preferences, strongest first: the feature's, then the job's. The last resort stands
/// behind them (T12).
#[derive(Debug, Clone, Default)]
pub struct Defaults(pub Vec<Preference>);

/// A stated group that no default completes; the job must name one (T12).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "users state no {field} and default_preferences give none: add {field} to default_preferences"
)]
pub struct UnresolvedGroup {
    /// The preference field that is missing.
    pub field: &'static str,
}

impl Defaults {
    pub(crate) fn first<T>(&self, field: impl Fn(&Preference) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(field)
    }

    /// The first of the layers whose own frequency is this one.
    pub(crate) fn first_for<T>(
        &self,
        frequency: Frequency,
        field: impl Fn(&Preference) -> Option<T>,
    ) -> Option<T> {
        self.0.iter().filter(|layer| layer.frequency == Some(frequency)).find_map(field)
    }
}

impl StatedGroup {
    /// Returns the preference group that these defaults make of it, with the last resort behind
    /// them: 09:00, monday or 1, UTC (T12). Fails only where no frequency or no cron expression is
    /// stated anywhere.
    pub fn resolve(&self, defaults: &Defaults) -> Result<PreferenceGroup, UnresolvedGroup> {
        Filling { stated: self, defaults, last_resort: Some(&LAST_RESORT) }.group()
    }

    /// Returns the preference group that these defaults make of it by themselves. Fails if they
    /// leave anything to the job or to the last resort.
    pub fn resolve_by(&self, defaults: &Defaults) -> Result<PreferenceGroup, UnresolvedGroup> {
        Filling { stated: self, defaults, last_resort: None }.group()
    }
}

/// What holds where nobody states anything (T12).
struct LastResort {
    time: TimeOfDay,
    weekday: Day,
    month_day: Day,
    parity: Parity,
    timezone: Zone,
}

const LAST_RESORT: LastResort = LastResort {
    time: TimeOfDay::NINE,
    weekday: Day::Weekdays(Weekdays::MONDAY),
    month_day: Day::Month(MonthDay::Number(1)),
    parity: Parity::Even,
    timezone: Zone::UTC,
};

impl LastResort {
    fn day(&self, frequency: Frequency) -> Day {
        if frequency == Frequency::Monthly { self.month_day } else { self.weekday }
    }
}

/// A stated group, and what fills the parts that it leaves out.
struct Filling<'a> {
    stated: &'a StatedGroup,
    defaults: &'a Defaults,
    last_resort: Option<&'a LastResort>,
}

impl Filling<'_> {
    fn group(&self) -> Result<PreferenceGroup, UnresolvedGroup> {
        let frequency = self.frequency()?;
        let time_key = self.time_key(frequency)?;
        Ok(PreferenceGroup::of_complete(frequency, time_key, self.timezone()?))
    }

    fn frequency(&self) -> Result<Frequency, UnresolvedGroup> {
        let by_default = || self.defaults.first(|layer| layer.frequency);
        self.stated.frequency().or_else(by_default).ok_or(UnresolvedGroup { field: "frequency" })
    }

    fn timezone(&self) -> Result<Zone, UnresolvedGroup> {
        let by_default = || self.defaults.first(|layer| layer.timezone.clone());
        let last_resort = || self.last_resort.map(|last| last.timezone.clone());
        let stated = self.stated.timezone().cloned();
        stated.or_else(by_default).or_else(last_resort).ok_or(UnresolvedGroup { field: "timezone" })
    }

    fn time_key(&self, frequency: Frequency) -> Result<TimeKey, UnresolvedGroup> {
        match frequency {
            Frequency::Hourly => self.minute(),
            Frequency::Daily => Ok(TimeKey::Time(self.time()?)),
            Frequency::Weekly | Frequency::Monthly => {
                Ok(TimeKey::Day { day: Some(self.day(frequency)?), time: Some(self.time()?) })
            }
            Frequency::Biweekly => Ok(TimeKey::Alternating {
                day: Some(self.day(frequency)?),
                time: Some(self.time()?),
                parity: Some(self.parity()?),
            }),
            Frequency::Cron => self.cron(),
        }
    }

    /// The minute of each hour. A time stated without a frequency counts by its minute.
    fn minute(&self) -> Result<TimeKey, UnresolvedGroup> {
        match self.stated.time_key() {
            stated @ TimeKey::Minute(_) => Ok(stated),
            _ => Ok(TimeKey::Minute(self.time()?.minute())),
        }
    }

    fn cron(&self) -> Result<TimeKey, UnresolvedGroup> {
        if let stated @ TimeKey::Cron(_) = self.stated.time_key() {
            return Ok(stated);
        }
        let by_default = self.defaults.first_for(Frequency::Cron, |layer| layer.cron);
        by_default.map(TimeKey::Cron).ok_or(UnresolvedGroup { field: "cron" })
    }

    fn time(&self) -> Result<TimeOfDay, UnresolvedGroup> {
        let by_default = || self.defaults.first(|layer| layer.preferred_time);
        let last_resort = self.last_resort.map(|last| last.time);
        let stated = self.stated.time_key().time();
        stated
            .or_else(by_default)
            .or(last_resort)
            .ok_or(UnresolvedGroup { field: "preferred_time" })
    }

    fn day(&self, frequency: Frequency) -> Result<Day, UnresolvedGroup> {
        let by_default =
            || self.defaults.first_for(frequency, |layer| layer.preferred_day_for(Some(frequency)));
        let last_resort = self.last_resort.map(|last| last.day(frequency));
        let stated = self.stated.time_key().day();
        stated.or_else(by_default).or(last_resort).ok_or(UnresolvedGroup { field: "preferred_day" })
    }

    fn parity(&self) -> Result<Parity, UnresolvedGroup> {
        let by_default = || {
            let anchor = self.defaults.first_for(Frequency::Biweekly, |layer| layer.anchor_date);
            anchor.map(Parity::of_week)
        };
        let last_resort = self.last_resort.map(|last| last.parity);
        let stated = self.stated.time_key().parity();
        stated.or_else(by_default).or(last_resort).ok_or(UnresolvedGroup { field: "anchor_date" })
    }
}
