//! One write job inside its transaction: what it reads, stamps and learns.

use cohort_preferences::{FeatureType, StatedGroup};
use jiff::Timestamp;
use rusqlite::Connection;

use super::names::{find_feature, find_group};
use super::stamps::Stamps;
use crate::error::Result;
use crate::store::columns::unreadable;
use crate::store::names::{Learned, Names};

/// One write job.
pub(super) struct Writer<'a> {
    db: &'a Connection,
    names: &'a Names,
    stamps: &'a Stamps,
    learned: Learned,
}

impl<'a> Writer<'a> {
    /// Begins a job inside its transaction.
    pub(super) fn new(db: &'a Connection, names: &'a Names, stamps: &'a Stamps) -> Self {
        Self { db, names, stamps, learned: Learned::default() }
    }

    /// Returns the transaction.
    pub(super) fn db(&self) -> &'a Connection {
        self.db
    }

    /// Returns a stamp for what is written without a plan.
    pub(super) fn stamp(&self) -> Timestamp {
        self.stamps.take()
    }

    /// Returns the names to keep after the commit.
    pub(super) fn finish(self) -> Learned {
        self.learned
    }

    /// Returns the number of a feature, which is made if it is new.
    pub(super) fn feature(&mut self, feature: &FeatureType) -> Result<i64> {
        let known =
            self.learned.feature_number(feature).or_else(|| self.names.feature_number(feature));
        if let Some(number) = known {
            return Ok(number);
        }
        let number = if let Some(number) = find_feature(self.db, feature)? {
            number
        } else {
            let mut insert =
                self.db.prepare_cached("INSERT INTO feature (feature_type) VALUES (?1)")?;
            insert.execute([feature.as_str()])?;
            self.db.last_insert_rowid()
        };
        self.learned.feature(feature, number);
        Ok(number)
    }

    /// Returns the number of a group, which must be there.
    pub(super) fn group(&mut self, feature: i64, group: &StatedGroup) -> Result<i64> {
        self.find_group(feature, group)?.ok_or_else(|| unreadable("group", &group.to_string()))
    }

    /// Returns the number of a group; `None` if it is not there.
    pub(super) fn find_group(&mut self, feature: i64, group: &StatedGroup) -> Result<Option<i64>> {
        let known = self
            .learned
            .group_number(feature, group)
            .or_else(|| self.names.group_number(feature, group));
        if known.is_some() {
            return Ok(known);
        }
        let found = find_group(self.db, feature, group)?;
        if let Some(number) = found {
            self.learned.group(feature, group, number);
        }
        Ok(found)
    }

    /// Notes the number of a group that the job has made.
    pub(super) fn learn_group(&mut self, feature: i64, group: &StatedGroup, number: i64) {
        self.learned.group(feature, group, number);
    }
}
