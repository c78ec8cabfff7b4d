//! Purposes that are slowed for a time, on SQLite (D4).

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_preferences::PurposeId;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::SqliteLedger;
use super::row::{instant, parsed};
use crate::LedgerError;
use crate::rows::micros;
use crate::throttle::ThrottleLedger;

#[async_trait]
impl ThrottleLedger for SqliteLedger {
    async fn slow_purpose(&self, purpose: &PurposeId, until: Timestamp) -> Result<(), LedgerError> {
        let purpose = purpose.clone();
        self.db.write(move |tx| slow_purpose(tx, &purpose, until)).await
    }

    async fn slowed_purposes(
        &self,
        now: Timestamp,
    ) -> Result<HashMap<PurposeId, Timestamp>, LedgerError> {
        self.db.read(move |tx| slowed_purposes(tx, now)).await
    }
}

fn slow_purpose(tx: &Connection, purpose: &PurposeId, until: Timestamp) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "INSERT INTO purpose_pause (purpose_id, not_before)
         VALUES (?1, ?2)
         ON CONFLICT (purpose_id) DO UPDATE
         SET not_before = max(not_before, excluded.not_before)",
    )?
    .execute(params![purpose.as_str(), micros(until)])?;
    Ok(())
}

fn slowed_purposes(
    tx: &Connection,
    now: Timestamp,
) -> Result<HashMap<PurposeId, Timestamp>, LedgerError> {
    let mut statement = tx
        .prepare_cached("SELECT purpose_id, not_before FROM purpose_pause WHERE not_before > ?1")?;
    let slowed = statement.query_map([micros(now)], |row| {
        Ok((parsed(row, "purpose_id")?, instant(row, "not_before")?))
    })?;
    Ok(slowed.collect::<Result<_, _>>()?)
}
