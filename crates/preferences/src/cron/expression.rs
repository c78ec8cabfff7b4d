//! A cron expression as sets of values, and its normal form (T10).

use std::fmt;

pub(super) const ALL_MINUTES: u64 = (1 << 60) - 1;
pub(super) const ALL_DAYS: u32 = 0xFFFF_FFFE;
pub(super) const ALL_MONTHS: u16 = 0x1FFE;
pub(super) const ALL_WEEKDAYS: u8 = 0x7F;

/// A cron expression: minute, hour, day of month, month, day of week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cron {
    pub(super) minutes: u64,
    pub(super) hours: Hours,
    /// `None` for `*`: the day of the month does not restrict.
    pub(super) days: Option<u32>,
    pub(super) months: u16,
    /// `None` for `*`: the day of the week does not restrict. Bit 0 is Sunday.
    pub(super) weekdays: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Hours {
    /// `*` (a step of 1) or `*/n`.
    Every(u8),
    /// Lists and ranges.
    Fixed(u32),
}

impl Cron {
    /// Whether it fires whenever the local clock shows a matching time, also twice in a repeated
    /// hour (T9).
    pub(crate) fn follows_the_clock(&self) -> bool {
        matches!(self.hours, Hours::Every(_))
    }
}

impl Hours {
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Every(step) => {
                (0..24).step_by(step.into()).fold(0, |bits, hour| bits | 1 << hour)
            }
            Self::Fixed(bits) => bits,
        }
    }
}

impl fmt::Display for Cron {
    /// The normal form: numbers, sorted, Sunday 0 (T10).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_values(f, self.minutes, self.minutes == ALL_MINUTES)?;
        f.write_str(" ")?;
        match self.hours {
            Hours::Every(1) => f.write_str("*")?,
            Hours::Every(step) => write!(f, "*/{step}")?,
            Hours::Fixed(bits) => write_values(f, bits.into(), false)?,
        }
        f.write_str(" ")?;
        write_values(f, self.days.unwrap_or_default().into(), self.days.is_none())?;
        f.write_str(" ")?;
        write_values(f, self.months.into(), self.months == ALL_MONTHS)?;
        f.write_str(" ")?;
        write_values(f, self.weekdays.unwrap_or_default().into(), self.weekdays.is_none())
    }
}

fn write_values(f: &mut fmt::Formatter<'_>, bits: u64, is_wildcard: bool) -> fmt::Result {
    if is_wildcard {
        return f.write_str("*");
    }
    let mut separator = "";
    for value in (0..64).filter(|value| bits & (1 << value) != 0) {
        write!(f, "{separator}{value}")?;
        separator = ",";
    }
    Ok(())
}
