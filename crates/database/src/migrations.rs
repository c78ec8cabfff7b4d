//! Which schema a program brings, and which programs may use a schema.
//!
//! ```text
//! program 1.4 brings V1 V2 V3, oldest 1.3   finds V1 V2, records 1.3, applies V3
//! program 1.3 brings V1 V2                  opens it still: one step back stays possible
//! program 1.2 brings V1 V2                  is refused
//! ```
//!
//! Each database records the oldest program that may use it. The record only rises, and rises
//! before the migrations are applied: a program that dies between the two leaves a database that is
//! too careful, never one that is too open.
//!
//! Not done here: taking a migration back. A program that steps back leaves the newer schema as it
//! is.

use refinery::Runner;
use semver::Version;

use crate::error::DatabaseError;

/// The schema that a program brings along for one database.
pub struct Migrations {
    runner: Runner,
    program: Version,
    oldest_program: Version,
}

/// The table that holds the record; it has one row. It is not itself migrated, so that every
/// program can read it.
pub(crate) const CREATE_RECORD: &str = "CREATE TABLE IF NOT EXISTS compatibility (only_row INTEGER \
    PRIMARY KEY CHECK (only_row = 1), oldest_program TEXT NOT NULL)";

pub(crate) const READ_RECORD: &str = "SELECT oldest_program FROM compatibility";

impl Migrations {
    /// What this program brings: the embedded migrations, and the oldest program that can work with
    /// the newest of them. Raise `oldest_program` together with a migration that breaks older
    /// programs.
    pub fn new(runner: Runner, oldest_program: Version) -> Self {
        let program = Version::parse(env!("CARGO_PKG_VERSION"))
            .expect("cargo accepts semantic versions only");
        Self { runner, program, oldest_program }
    }

    /// The same, as another version of the program would bring it.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn brought_by(self, program: Version) -> Self {
        Self { program, ..self }
    }

    /// Whether this program may use a database with this record; `None` when nobody has left one.
    pub(crate) fn check(
        &self,
        recorded: Option<&str>,
        database: &str,
    ) -> Result<(), DatabaseError> {
        match recorded.map(|text| parse(text, database)).transpose()? {
            Some(oldest) if self.program < oldest => Err(DatabaseError::ProgramTooOld {
                database: database.into(),
                program: self.program.clone(),
                oldest,
            }),
            _ => Ok(()),
        }
    }

    /// What the record has to become before the migrations are applied; `None` when it stays.
    pub(crate) fn raised(
        &self,
        recorded: Option<&str>,
        database: &str,
    ) -> Result<Option<String>, DatabaseError> {
        match recorded.map(|text| parse(text, database)).transpose()? {
            Some(oldest) if oldest >= self.oldest_program => Ok(None),
            _ => Ok(Some(self.oldest_program.to_string())),
        }
    }

    /// What applies the migrations. A database that is ahead of this program may have some that it
    /// does not know; all else that differs is a fault.
    pub(crate) fn runner(&self, newest_applied: Option<i32>) -> Runner {
        let newest_brought =
            self.runner.get_migrations().iter().map(refinery::Migration::version).max();
        let ahead = newest_applied > newest_brought;
        Runner::new(self.runner.get_migrations()).set_abort_missing(!ahead)
    }
}

fn parse(recorded: &str, database: &str) -> Result<Version, DatabaseError> {
    Version::parse(recorded).map_err(|source| DatabaseError::Record {
        database: database.into(),
        recorded: recorded.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought_by(program: &str, oldest: &str) -> Migrations {
        let oldest = Version::parse(oldest).expect("version");
        Migrations::new(Runner::new(&[]), oldest)
            .brought_by(Version::parse(program).expect("version"))
    }

    #[test]
    fn a_program_may_use_what_asks_for_it_or_an_older_one() {
        let program = brought_by("1.4.0", "1.3.0");
        for recorded in [None, Some("1.3.9"), Some("1.4.0")] {
            program.check(recorded, "db").expect("allowed");
        }
    }

    #[test]
    fn a_program_that_is_too_old_is_told_both_versions_and_what_to_do() {
        let refused =
            brought_by("1.4.0", "1.3.0").check(Some("1.10.0"), "db").expect_err("refused");
        assert_eq!(
            refused.to_string(),
            "the database db may be used by Cohort 1.10.0 or newer, and this is 1.4.0: install \
             1.10.0 or newer, \
             or restore a backup of before the upgrade"
        );
    }

    #[test]
    fn the_record_rises_and_never_falls() {
        let program = brought_by("1.4.0", "1.3.0");
        assert_eq!(program.raised(None, "db").expect("reads").as_deref(), Some("1.3.0"));
        assert_eq!(program.raised(Some("1.2.0"), "db").expect("reads").as_deref(), Some("1.3.0"));
        assert_eq!(program.raised(Some("1.3.0"), "db").expect("reads"), None);
        assert_eq!(program.raised(Some("1.10.0"), "db").expect("reads"), None);
    }

    #[test]
    fn a_record_that_is_no_version_is_a_fault() {
        assert!(matches!(
            brought_by("1.4.0", "1.3.0").check(Some("x"), "db"),
            Err(DatabaseError::Record { .. })
        ));
    }
}
