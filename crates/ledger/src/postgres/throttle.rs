//! Until when purposes are slowed, on PostgreSQL (D4).

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_database::statement::{execute, query};
use cohort_preferences::PurposeId;
use jiff::Timestamp;

use super::{PostgresLedger, instant, micros, parsed};
use crate::LedgerError;
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
        "INSERT INTO purpose_pause (purpose_id, not_before) VALUES ($1, $2)
         ON CONFLICT (purpose_id) DO UPDATE SET not_before = greatest(purpose_pause.not_before, \
         excluded.not_before)",
        &[&purpose.as_str(), &micros(until)],
    )
    .await?;
    Ok(())
}

async fn slowed_purposes(
    db: &impl GenericClient,
    now: Timestamp,
) -> Result<HashMap<PurposeId, Timestamp>, LedgerError> {
    let slowed = query(
        db,
        "SELECT purpose_id, not_before FROM purpose_pause WHERE not_before > $1",
        &[&micros(now)],
    )
    .await?;
    slowed.iter().map(|row| Ok((parsed(row, 0)?, instant(row.get(1))?))).collect()
}
