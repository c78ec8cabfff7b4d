//! Cursors: opaque to clients; inside, a position in the feed or in a list, of one incarnation of
//! the database (F7, F11).
//!
//! ```text
//! 0a0b0c0d-42-1f2e3d4c    incarnation, number of the change, its fingerprint
//! 0a0b0c0d-42             the same without: behind a change that is no longer kept, or as written
//!                         by a version before there were fingerprints
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cohort_database::Fingerprint;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::ConfigServiceError;

/// Which life of the database this is: one that was made anew or restored has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incarnation(u32);

/// Where a page of the feed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// At the oldest change kept.
    Oldest,
    /// Behind the newest change.
    Now,
    /// Behind this change.
    Change(Position),
}

/// A position of the feed: behind a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The number of the change.
    pub(crate) change: i64,
    /// By which the change is known again, where the cursor says it.
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl From<i64> for Position {
    /// The position behind the change of this number, whatever change that is.
    fn from(change: i64) -> Self {
        Self { change, fingerprint: None }
    }
}

/// Where a page of a member list begins: the list is of one instant, so that all its pages are one
/// list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MembersAfter {
    /// The instant of the list.
    pub(crate) as_of: Timestamp,
    /// The last tenant number of the page before.
    pub(crate) number: u64,
}

/// Where a page of a list of tenants begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantsAfter {
    /// Its number.
    pub(crate) number: u64,
    /// Its id.
    pub(crate) tenant_id: String,
}

impl Incarnation {
    /// Returns the incarnation of a database that carries this id.
    pub(crate) fn of(id: Uuid) -> Self {
        Self(id.as_fields().0)
    }

    /// Returns the cursor of a position of the feed.
    pub(crate) fn position(self, position: Position) -> String {
        let Position { change, fingerprint } = position;
        match fingerprint {
            Some(fingerprint) => format!("{self}-{change}-{fingerprint}"),
            None => format!("{self}-{change}"),
        }
    }

    /// Reads `since_id`: `now`, a position, or nothing.
    pub(crate) fn since(self, text: Option<&str>) -> Result<Since, ConfigServiceError> {
        match text {
            None => Ok(Since::Oldest),
            Some("now") => Ok(Since::Now),
            Some(position) => self.position_of(position, "since_id").map(Since::Change),
        }
    }

    /// Reads a position of the feed.
    pub(crate) fn position_of(
        self,
        position: &str,
        parameter: &str,
    ) -> Result<Position, ConfigServiceError> {
        let malformed = || malformed(parameter);
        let rest = self.own(position, parameter)?;
        let (change, fingerprint) = match rest.split_once('-') {
            Some((change, fingerprint)) => (change, Some(fingerprint)),
            None => (rest, None),
        };
        let fingerprint = fingerprint.map(str::parse).transpose();
        Ok(Position {
            change: change.parse().map_err(|_not_a_number| malformed())?,
            fingerprint: fingerprint.map_err(|_malformed| malformed())?,
        })
    }

    /// Returns the cursor of the page behind `after`.
    pub(crate) fn members_cursor(self, after: MembersAfter) -> String {
        format!("{self}-{}-{}", after.as_of.as_microsecond(), after.number)
    }

    /// Reads a member list's cursor.
    pub(crate) fn members_after(self, cursor: &str) -> Result<MembersAfter, ConfigServiceError> {
        let malformed = || malformed("cursor");
        let (as_of, number) = self.own(cursor, "cursor")?.split_once('-').ok_or_else(malformed)?;
        let as_of = as_of.parse().ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
        Ok(MembersAfter {
            as_of: as_of.ok_or_else(malformed)?,
            number: number.parse().map_err(|_not_a_number| malformed())?,
        })
    }

    /// Returns the cursor of the page behind the row of this number.
    pub(crate) fn row_cursor(self, number: i64) -> String {
        format!("{self}-{number}")
    }

    /// Reads a cursor of [`Self::row_cursor`].
    pub(crate) fn row_after(self, cursor: &str) -> Result<i64, ConfigServiceError> {
        self.own(cursor, "cursor")?.parse().map_err(|_not_a_number| malformed("cursor"))
    }

    /// Returns the cursor of the page behind this tenant.
    pub(crate) fn tenants_cursor(self, after: &TenantsAfter) -> String {
        format!("{self}-{}-{}", after.number, URL_SAFE_NO_PAD.encode(&after.tenant_id))
    }

    /// Reads a cursor of a list of tenants.
    pub(crate) fn tenants_after(self, cursor: &str) -> Result<TenantsAfter, ConfigServiceError> {
        let malformed = || malformed("cursor");
        let (number, tenant_id) =
            self.own(cursor, "cursor")?.split_once('-').ok_or_else(malformed)?;
        let tenant_id =
            URL_SAFE_NO_PAD.decode(tenant_id).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(TenantsAfter {
            number: number.parse().map_err(|_not_a_number| malformed())?,
            tenant_id: tenant_id.ok_or_else(malformed)?,
        })
    }

    /// Returns what stands behind the incarnation in a cursor of this one.
    fn own<'a>(self, cursor: &'a str, parameter: &str) -> Result<&'a str, ConfigServiceError> {
        let (incarnation, rest) = cursor.split_once('-').ok_or_else(|| malformed(parameter))?;
        match u32::from_str_radix(incarnation, 16) {
            Ok(incarnation) if incarnation == self.0 => Ok(rest),
            Ok(_) => Err(ConfigServiceError::CursorGone),
            Err(_) => Err(malformed(parameter)),
        }
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

fn malformed(parameter: &str) -> ConfigServiceError {
    ConfigServiceError::Parameter(format!("{parameter}: expected a cursor that this service gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Incarnation = Incarnation(0x0a0b_0c0d);

    #[test]
    fn a_position_reads_back_in_its_own_incarnation_only() {
        let with = Position { change: 42, fingerprint: Some(Fingerprint::of(&[Some(7)])) };
        for position in [with, Position::from(42)] {
            let cursor = OURS.position(position);
            let read = OURS.since(Some(&cursor)).expect("reads");
            assert_eq!(read, Since::Change(position), "{cursor}");
            let elsewhere = Incarnation(1).since(Some(&cursor));
            assert!(matches!(elsewhere, Err(ConfigServiceError::CursorGone)), "{cursor}");
        }
        for malformed in
            ["", "42", "zz-1", "0a0b0c0d-x", "0a0b0c0d-", "0a0b0c0d-42-", "0a0b0c0d-42-1"]
        {
            assert!(
                matches!(OURS.since(Some(malformed)), Err(ConfigServiceError::Parameter(_))),
                "{malformed}"
            );
        }
    }

    #[test]
    fn a_cursor_of_tenants_carries_any_id() {
        let after = TenantsAfter { number: 3, tenant_id: "a-b/\u{fc}".into() };
        assert_eq!(OURS.tenants_after(&OURS.tenants_cursor(&after)).expect("reads"), after);
        for malformed in ["0a0b0c0d-3", "0a0b0c0d-x-YQ", "0a0b0c0d-3-*"] {
            assert!(
                matches!(OURS.tenants_after(malformed), Err(ConfigServiceError::Parameter(_))),
                "{malformed}"
            );
        }
    }

    #[test]
    fn a_member_cursor_carries_the_instant_of_its_list() {
        let after =
            MembersAfter { as_of: Timestamp::from_microsecond(-5).expect("in range"), number: 7 };
        let cursor = OURS.members_cursor(MembersAfter {
            as_of: Timestamp::from_microsecond(5).expect("in range"),
            ..after
        });
        assert_eq!(OURS.members_after(&cursor).expect("reads").number, 7);
        assert!(matches!(OURS.members_after("0a0b0c0d-7"), Err(ConfigServiceError::Parameter(_))));
    }
}
