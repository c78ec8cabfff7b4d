//! One user's settings for one feature.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::cron::Cron;
use crate::day::Day;
use crate::frequency::Frequency;
use crate::nominal::NominalTime;
use crate::time_of_day::TimeOfDay;
use crate::zone::Zone;

/// One user's settings for one feature (T1). `None` where the user stated nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preference {
    /// Whether the feature runs for this user at all; not stated means yes. In defaults it has no
    /// meaning.
    pub enabled: Option<bool>,
    /// How often.
    pub frequency: Option<Frequency>,
    /// At what local time; of an hourly preference only the minute counts.
    pub preferred_time: Option<TimeOfDay>,
    /// On which weekdays (weekly, biweekly) or day of the month (monthly).
    pub preferred_day: Option<Day>,
    /// Any date in a week that a biweekly preference fires in: sets parity, not a start (T4).
    pub anchor_date: Option<Date>,
    /// When a cron preference fires.
    pub cron: Option<Cron>,
    /// On whose clock.
    pub timezone: Option<Zone>,
    /// What the handler should do differently for this user.
    pub template_overrides: Map<String, Value>,
    /// Occurrences before this instant are skipped.
    pub snoozed_until: Option<Timestamp>,
    /// The occurrence of this nominal time is skipped.
    pub skip_next: Option<NominalTime>,
}

impl Preference {
    /// Whether the feature runs for this user at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// The day, if it is of the kind that the frequency asks for: a preference read from JSON has
    /// no other.
    pub(crate) fn preferred_day_for(&self, frequency: Option<Frequency>) -> Option<Day> {
        self.preferred_day.filter(|day| frequency.is_some_and(|frequency| day.suits(frequency)))
    }

    /// Whether it states overrides at most, and nothing of when to fire.
    pub(crate) fn states_only_overrides(&self) -> bool {
        let overrides = self.template_overrides.clone();
        *self == Self { template_overrides: overrides, ..Self::default() }
    }

    /// A field that is stated and not used by the frequency, as none is in a preference read from
    /// JSON (T1).
    pub(crate) fn unused_field(&self) -> Option<&'static str> {
        let misfits = |day: Day| self.frequency.is_none_or(|frequency| !day.suits(frequency));
        let is_not = |frequency| self.frequency != Some(frequency);
        let unused = [
            ("preferred_time", self.preferred_time.is_some() && !is_not(Frequency::Cron)),
            ("preferred_day", self.preferred_day.is_some_and(misfits)),
            ("anchor_date", self.anchor_date.is_some() && is_not(Frequency::Biweekly)),
            ("cron", self.cron.is_some() && is_not(Frequency::Cron)),
        ];
        unused.into_iter().find_map(|(field, is_unused)| is_unused.then_some(field))
    }
}
