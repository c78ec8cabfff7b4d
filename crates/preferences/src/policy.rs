//! What a feature lets its users choose (W7).
//!
//! A policy limits four things: the frequencies, the time between two occurrences, the slots in
//! which a time of day may fall, and the hours of the day. Tenants that carry a label may have
//! limits of their own.
//!
//! All of it is decided by arithmetic on what the preference asks of the local clock, taken as one
//! that never changes: a day is 24 hours. A change of the clock may bring two occurrences nearer,
//! or move one out of its slot (T6); nobody chose that, and it breaks no policy. So a verdict
//! depends on preference, defaults, labels and policy only.
//!
//! What the user did not state is judged as the feature's defaults fill it (T12). What they do not
//! fill either is left to the job, and not judged. A disabled preference is judged like any other:
//! it may be enabled by a patch of that alone.

use std::fmt;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::{Map, Value, json};

use crate::cron::Cron;
use crate::day::Day;
use crate::defaults::Defaults;
use crate::frequency::Frequency;
use crate::invalid::{Errors, Invalid, child, shown};
use crate::labels::{LabelFilter, Labels};
use crate::preference::Preference;
use crate::reader::Reader;
use crate::time_of_day::TimeOfDay;

/// The most entries of `by_label` (W5).
const MOST_LABELS: usize = 100;

const MINUTES_A_DAY: u16 = 24 * 60;

/// What users may choose of a feature, and who may choose otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// What holds for everyone.
    pub general: Limits,
    /// What holds for tenants that carry a label; each limit given replaces the general one, and
    /// that of an entry before.
    pub by_label: Vec<(LabelFilter, Limits)>,
}

/// Limits of what users may choose; what is `None` is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The frequencies that are allowed; at least one.
    pub frequencies: Option<Vec<Frequency>>,
    /// The least time between two occurrences of one user.
    pub least_interval: Option<SignedDuration>,
    /// Each time of day at which a user's preference fires is a multiple of so many minutes after
    /// midnight.
    pub slot_minutes: Option<u16>,
    /// The times of day at which a preference may fire.
    pub hours: Option<HoursOfDay>,
}

/// Local times of day from one to another, both included; past midnight where `from` is later than
/// `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoursOfDay {
    /// The first time of day.
    pub from: TimeOfDay,
    /// The last time of day.
    pub to: TimeOfDay,
}

impl Policy {
    /// Reads a policy that stands at `pointer` of what was sent; names every field that is wrong
    /// (W1).
    pub fn from_json(value: &Value, pointer: &str) -> Result<Self, Invalid> {
        let mut reader = Reader::of(value, pointer, "a policy as an object")?;
        reader.refuse_unknown(&[
            "frequencies",
            "least_interval",
            "slot_minutes",
            "hours",
            "by_label",
        ]);
        let general = Limits::read(&mut reader);
        let by_label = reader.nested("by_label", read_by_label).unwrap_or_default();
        reader.errors.into_result(Self { general, by_label })
    }

    /// The policy as JSON, which reads back as itself.
    pub fn to_json(&self) -> Value {
        let mut fields = self.general.to_fields();
        if !self.by_label.is_empty() {
            let entries = self.by_label.iter().map(|(label, limits)| {
                let mut entry = Map::from_iter([("label".into(), label.to_string().into())]);
                entry.extend(limits.to_fields());
                entry.into()
            });
            fields.insert("by_label".into(), Value::Array(entries.collect()));
        }
        Value::Object(fields)
    }

    /// The limits of a tenant with these labels.
    pub fn limits_of(&self, labels: &Labels) -> Limits {
        let theirs = self.by_label.iter().filter(|(label, _)| labels.carry(label));
        theirs.fold(self.general.clone(), |limits, (_, special)| limits.replaced_by(special))
    }

    /// Whether a tenant with these labels may choose this; names each field that they may not by
    /// its pointer under `pointer`, and says what is allowed.
    pub fn check(
        &self,
        preference: &Preference,
        defaults: &Defaults,
        labels: &Labels,
        pointer: &str,
    ) -> Result<(), Invalid> {
        let limits = self.limits_of(labels);
        let wish = Wish::of(preference, defaults);
        let mut errors = Errors::new();
        let mut named = Vec::new();
        for Broken { field, detail } in limits.broken_by(&wish) {
            // One field may break several limits; the first says enough.
            if !named.contains(&field) {
                let origin = if field.is_stated_in(preference) {
                    ""
                } else {
                    " (nothing is stated, and this is the feature's default)"
                };
                errors.add(child(pointer, field.name()), format!("{detail}{origin}"));
                named.push(field);
            }
        }
        errors.into_result(())
    }
}

fn read_by_label(value: &Value, pointer: &str) -> Result<Vec<(LabelFilter, Limits)>, Invalid> {
    let Some(entries) = value.as_array().filter(|entries| entries.len() <= MOST_LABELS) else {
        return Err(Invalid::one(
            pointer,
            format!(
                "expected a list of at most {MOST_LABELS} labels with limits, got {}",
                shown(value)
            ),
        ));
    };
    let mut errors = Errors::new();
    let mut read: Vec<(LabelFilter, Limits)> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let pointer = child(pointer, &index.to_string());
        match read_label_entry(entry, &pointer) {
            Ok((label, _)) if read.iter().any(|(other, _)| *other == label) => {
                errors
                    .add(child(&pointer, "label"), format!("another entry has the label {label}"));
            }
            Ok(entry) => read.push(entry),
            Err(invalid) => errors.extend(invalid),
        }
    }
    errors.into_result(read)
}

fn read_label_entry(value: &Value, pointer: &str) -> Result<(LabelFilter, Limits), Invalid> {
    let mut reader = Reader::of(value, pointer, "a label with limits as an object")?;
    reader.refuse_unknown(&["label", "frequencies", "least_interval", "slot_minutes", "hours"]);
    reader.require(&["label"]);
    let label = reader.text("label");
    let limits = Limits::read(&mut reader);
    reader.errors.into_result(())?;
    Ok((label.expect("a label that is missing or wrong was refused just above"), limits))
}

impl Limits {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            frequencies: reader.typed(
                "frequencies",
                "a list of hourly, daily, weekly, biweekly, monthly, cron",
                read_frequencies,
            ),
            least_interval: reader.typed(
                "least_interval",
                "a duration such as \"24h\"",
                read_duration,
            ),
            slot_minutes: reader.typed(
                "slot_minutes",
                "minutes that divide a day, such as 15",
                read_slot,
            ),
            hours: reader.nested("hours", HoursOfDay::from_json),
        }
    }

    fn to_fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut add = |name: &str, value: Option<Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)))
        };
        add("frequencies", self.frequencies.as_ref().map(|allowed| json!(allowed)));
        add("least_interval", self.least_interval.map(|least| format!("{least:#}").into()));
        add("slot_minutes", self.slot_minutes.map(Value::from));
        add(
            "hours",
            self.hours
                .map(|hours| json!({"from": hours.from.to_string(), "to": hours.to.to_string()})),
        );
        fields
    }

    #[must_use]
    fn replaced_by(self, special: &Self) -> Self {
        Self {
            frequencies: special.frequencies.clone().or(self.frequencies),
            least_interval: special.least_interval.or(self.least_interval),
            slot_minutes: special.slot_minutes.or(self.slot_minutes),
            hours: special.hours.or(self.hours),
        }
    }

    fn broken_by(&self, wish: &Wish) -> impl Iterator<Item = Broken> {
        [
            self.frequency_broken_by(wish),
            self.interval_broken_by(wish),
            self.slot_broken_by(wish),
            self.hours_broken_by(wish),
        ]
        .into_iter()
        .flatten()
    }

    fn frequency_broken_by(&self, wish: &Wish) -> Option<Broken> {
        let allowed = self.frequencies.as_ref()?;
        let frequency = wish.frequency.filter(|frequency| !allowed.contains(frequency))?;
        let allowed: Vec<_> = allowed.iter().map(|frequency| frequency.as_str()).collect();
        Some(Field::Frequency.breaks(format_args!(
            "{frequency} is not allowed; expected one of {}",
            allowed.join(", ")
        )))
    }

    fn interval_broken_by(&self, wish: &Wish) -> Option<Broken> {
        let least = self.least_interval?;
        let too_near = |interval: &SignedDuration| *interval < least;
        let (field, interval) = match widest_interval(wish.frequency?).filter(too_near) {
            Some(interval) => (Field::Frequency, interval),
            None => wish.interval().filter(|(_, interval)| too_near(interval))?,
        };
        Some(field.breaks(format_args!(
            "fires {interval:#} apart at the nearest; expected at least {least:#}"
        )))
    }

    fn slot_broken_by(&self, wish: &Wish) -> Option<Broken> {
        let slot = self.slot_minutes?;
        let is_off = |minute: u16| !minute.is_multiple_of(slot);
        match wish.frequency {
            Some(Frequency::Hourly) if is_off(60) => Some(Field::Frequency.breaks(format_args!(
                "hourly is not allowed; expected times that are multiples of {slot} minutes"
            ))),
            Some(Frequency::Hourly) => {
                wish.time.filter(|time| is_off(time.minute().into())).map(|time| {
                    Field::PreferredTime.breaks(format_args!(
                        "expected a minute that is a multiple of {slot}, got {:02}",
                        time.minute()
                    ))
                })
            }
            _ => {
                let (field, time) = wish.times().find(|(_, time)| is_off(time.minute_of_day()))?;
                Some(field.breaks(format_args!(
                    "expected times that are multiples of {slot} minutes after midnight, got {time}"
                )))
            }
        }
    }

    fn hours_broken_by(&self, wish: &Wish) -> Option<Broken> {
        let hours = self.hours.filter(|hours| !hours.is_whole_day())?;
        if wish.frequency == Some(Frequency::Hourly) {
            return Some(
                Field::Frequency
                    .breaks(format_args!("hourly is not allowed; expected times from {hours}")),
            );
        }
        let (field, time) = wish.times().find(|(_, time)| !hours.contain(*time))?;
        Some(field.breaks(format_args!("expected times from {hours}, got {time}")))
    }
}

fn read_frequencies(value: &Value) -> Option<Vec<Frequency>> {
    let names = value.as_array().filter(|names| !names.is_empty())?;
    let mut allowed: Vec<Frequency> =
        names.iter().map(|name| name.as_str()?.parse().ok()).collect::<Option<_>>()?;
    allowed.sort();
    allowed.dedup();
    Some(allowed)
}

/// A duration as text, such as `24h` or `2 weeks` (jiff's friendly format); a day is 24 hours.
fn read_duration(value: &Value) -> Option<SignedDuration> {
    let span: Span = value.as_str()?.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()
        .filter(|duration| !duration.is_negative())
}

/// Slots divide the day, so that they begin anew at each midnight.
fn read_slot(value: &Value) -> Option<u16> {
    let minutes = u16::try_from(value.as_u64()?).ok().filter(|minutes| *minutes > 0)?;
    MINUTES_A_DAY.is_multiple_of(minutes).then_some(minutes)
}

impl HoursOfDay {
    fn from_json(value: &Value, pointer: &str) -> Result<Self, Invalid> {
        let mut reader =
            Reader::of(value, pointer, "hours as {\"from\":\"08:00\",\"to\":\"20:00\"}")?;
        reader.refuse_unknown(&["from", "to"]);
        reader.require(&["from", "to"]);
        let (from, to) = (reader.text("from"), reader.text("to"));
        reader.errors.into_result(())?;
        let (from, to) =
            from.zip(to).expect("a time that is missing or wrong was refused just above");
        Ok(Self { from, to })
    }

    /// Whether the time of day is one of them.
    pub fn contain(self, time: TimeOfDay) -> bool {
        if self.from <= self.to {
            self.from <= time && time <= self.to
        } else {
            time <= self.to || self.from <= time
        }
    }

    /// Whether every time of day is one of them.
    pub fn is_whole_day(self) -> bool {
        (self.to.minute_of_day() + 1) % MINUTES_A_DAY == self.from.minute_of_day()
    }
}

impl fmt::Display for HoursOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// A field of a preference that may break a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Frequency,
    PreferredTime,
    PreferredDay,
    Cron,
}

/// A limit that is broken, and by which field.
struct Broken {
    field: Field,
    detail: String,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Frequency => "frequency",
            Self::PreferredTime => "preferred_time",
            Self::PreferredDay => "preferred_day",
            Self::Cron => "cron",
        }
    }

    fn is_stated_in(self, preference: &Preference) -> bool {
        match self {
            Self::Frequency => preference.frequency.is_some(),
            Self::PreferredTime => preference.preferred_time.is_some(),
            Self::PreferredDay => preference.preferred_day.is_some(),
            Self::Cron => preference.cron.is_some(),
        }
    }

    fn breaks(self, detail: fmt::Arguments<'_>) -> Broken {
        Broken { field: self, detail: detail.to_string() }
    }
}

/// When a preference asks to fire, once the feature's defaults have filled it (T12); `None` where
/// the job decides.
struct Wish {
    frequency: Option<Frequency>,
    time: Option<TimeOfDay>,
    day: Option<Day>,
    cron: Option<Cron>,
}

impl Wish {
    fn of(preference: &Preference, defaults: &Defaults) -> Self {
        let frequency = preference.frequency.or_else(|| defaults.first(|layer| layer.frequency));
        let default_day = |frequency| {
            defaults.first_for(frequency, |layer| layer.preferred_day_for(Some(frequency)))
        };
        let default_cron = || defaults.first_for(Frequency::Cron, |layer| layer.cron);
        Self {
            frequency,
            time: preference
                .preferred_time
                .or_else(|| defaults.first(|layer| layer.preferred_time)),
            day: preference.preferred_day_for(frequency).or_else(|| default_day(frequency?)),
            cron: preference
                .cron
                .or_else(default_cron)
                .filter(|_| frequency == Some(Frequency::Cron)),
        }
    }

    /// The least time between two occurrences, and the field that makes it so little, as far as a
    /// field besides the frequency does.
    fn interval(&self) -> Option<(Field, SignedDuration)> {
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
    fn times(&self) -> impl Iterator<Item = (Field, TimeOfDay)> {
        let listed =
            self.cron.into_iter().flat_map(Cron::times_of_day).map(|time| (Field::Cron, time));
        let one = self
            .time
            .filter(|_| self.frequency != Some(Frequency::Cron))
            .map(|time| (Field::PreferredTime, time));
        listed.chain(one)
    }
}

/// The time between two occurrences that no choice of day or time makes longer; a month counts as
/// its shortest. `None` for cron, which may wait for years.
fn widest_interval(frequency: Frequency) -> Option<SignedDuration> {
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
