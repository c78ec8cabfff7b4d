//! Nominal times: the local date-time that was asked for, which names an occurrence (T11).

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// The local date-time that was asked for, to the minute; under T9 with its offset, else without.
///
/// Its text (`2026-12-07T10:00`, `2026-10-25T02:30+02:00`) is part of every key and never changes
/// (T11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NominalTime {
    local: DateTime,
    offset: Option<Offset>,
}

/// The text is not a nominal time in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a nominal time such as 2026-12-07T10:00 or 2026-10-25T02:30+02:00")]
pub struct NominalError;

impl NominalTime {
    /// A nominal time that fires once, whatever the clock does (T6, T7).
    pub fn once(local: DateTime) -> Self {
        Self { local, offset: None }
    }

    /// One showing of the local clock (T9).
    pub fn showing(local: DateTime, offset: Offset) -> Self {
        Self { local, offset: Some(offset) }
    }

    /// The nominal local date (M6).
    pub fn date(&self) -> Date {
        self.local.date()
    }

    /// The local date-time without the offset.
    pub fn local(&self) -> DateTime {
        self.local
    }

    /// The offset that is part of the name; `None` except under T9.
    pub fn offset(&self) -> Option<Offset> {
        self.offset
    }
}

impl fmt::Display for NominalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}:{:02}", self.local.date(), self.local.hour(), self.local.minute())?;
        self.offset.map_or(Ok(()), |offset| write_offset(f, offset))
    }
}

/// Writes `+HH:MM`, with seconds only for the local mean times of old that have some.
fn write_offset(f: &mut fmt::Formatter<'_>, offset: Offset) -> fmt::Result {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes, rest) =
        (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
    write!(f, "{sign}{hours:02}:{minutes:02}")?;
    if rest == 0 { Ok(()) } else { write!(f, ":{rest:02}") }
}

impl FromStr for NominalTime {
    type Err = NominalError;

    fn from_str(text: &str) -> Result<Self, NominalError> {
        // The date has more than ten characters before the year 0.
        let end_of_local = text.find('T').ok_or(NominalError)? + "T10:00".len();
        let (local, offset) = text.split_at_checked(end_of_local).ok_or(NominalError)?;
        let local: DateTime = local.parse().map_err(|_not_civil| NominalError)?;
        let nominal = match offset {
            "" => Self::once(local),
            offset => Self::showing(local, read_offset(offset).ok_or(NominalError)?),
        };
        if nominal.to_string() == text { Ok(nominal) } else { Err(NominalError) }
    }
}

fn read_offset(text: &str) -> Option<Offset> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let mut parts = text.get(1..)?.split(':').map(|part| part.parse::<u8>().ok().map(i32::from));
    let hours = parts.next()??;
    let minutes = parts.next()??;
    let seconds = parts.next().unwrap_or(Some(0))?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60 + seconds)).ok()
}

impl TryFrom<String> for NominalTime {
    type Error = NominalError;

    fn try_from(text: String) -> Result<Self, NominalError> {
        text.parse()
    }
}

impl From<NominalTime> for String {
    fn from(nominal: NominalTime) -> Self {
        nominal.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nominal_time_reads_back_from_its_own_text_only() {
        for good in [
            "2026-12-07T10:00",
            "2026-10-25T02:30+02:00",
            "1883-11-18T12:00-07:52:58",
            "-000044-03-15T12:00+00:49:56",
        ] {
            assert_eq!(
                good.parse::<NominalTime>().map(|nominal| nominal.to_string()),
                Ok(good.into())
            );
        }
        for bad in [
            "",
            "2026-12-07",
            "2026-12-07 10:00",
            "2026-12-07T10:00:00",
            "2026-12-07T10:00Z",
            "2026-12-07T10:00+2:00",
            "2026-13-07T10:00",
            "2026-12-07T10:00+999999999:00",
            "2026-12-07T10:0é",
        ] {
            assert_eq!(bad.parse::<NominalTime>(), Err(NominalError), "{bad}");
        }
    }
}
