//! Purposes that are slowed for a time, on PostgreSQL (D4).

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_preferences::PurposeId;
use jiff::Timestamp;

use super::PostgresLedger;
use super::named::{execute, named, query};
use super::row::{instant, parsed};
use crate::LedgerError;
use crate::rows::micros;
use crate::throttle::ThrottleLedger;

#[async_trait]
impl ThrottleLedger for PostgresLedger {
    async fn slow_purpose(&self, purpose: &PurposeId, until: Timestamp) -> Result<(), LedgerError> {
        slow_purpose(&*self.connection().await?, purpose, until).await
    }

    async fn slowed_purposes(
        &self,
        now: Timestamp,
    ) -> Result<HashMap<PurposeId, Timestamp>, LedgerError> {
        slowed_purposes(&*self.connection().await?, now).await
    }
}

async fn slow_purpose(
    db: &impl GenericClient,
    purpose: &PurposeId,
    until: Timestamp,
) -> Result<(), LedgerError> {
    execute(
        db,
        "INSERT INTO purpose_pause (purpose_id, not_before)
         VALUES (:purpose, :until)
         ON CONFLICT (purpose_id) DO UPDATE
         SET not_before = greatest(purpose_pause.not_before, excluded.not_before)",
        named! { purpose: purpose.as_str(), until: micros(until) },
    )
    .await?;
    Ok(())
}

async fn slowed_purposes(
    db: &impl GenericClient,
    now: Timestamp,
) -> Result<HashMap<PurposeId, Timestamp>, LedgerError> {
    let sql = "SELECT purpose_id, not_before FROM purpose_pause WHERE not_before > :now";
    let slowed = query(db, sql, named! { now: micros(now) }).await?;
    slowed.iter().map(|row| Ok((parsed(row, "purpose_id")?, instant(row, "not_before")?))).collect()
}
