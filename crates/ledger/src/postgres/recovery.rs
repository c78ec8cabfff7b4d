//! Whether the ledger was restored, on PostgreSQL (F11).

use async_trait::async_trait;
use cohort_database::{GenericClient, Transaction};
use jiff::Timestamp;

use super::PostgresLedger;
use super::named::{execute, named, query_opt};
use super::row::{instant, instant_or_none};
use crate::recovery::{Recovery, RecoveryChoice, RecoveryLedger, RecoveryState};
use crate::rows::micros;
use crate::states::{CLOSED, READING, READY};
use crate::{LedgerError, UnprocessedReason};

#[async_trait]
impl RecoveryLedger for PostgresLedger {
    async fn recovery(&self) -> Result<Option<Recovery>, LedgerError> {
        recovery(&*self.connection().await?).await
    }

    async fn decide_recovery(
        &self,
        choice: RecoveryChoice,
        by: String,
        now: Timestamp,
    ) -> Result<Option<Recovery>, LedgerError> {
        let mut connection = self.long_connection().await?;
        let tx = connection.transaction().await?;
        let decide = "UPDATE recovery
            SET state = :state, decided_at = :now, decided_by = :by
            WHERE state = 'held'";
        let values = named! {
            state: RecoveryState::from(choice).as_str(),
            now: micros(now),
            by: by.as_str(),
        };
        if execute(&tx, decide, values).await? == 0 {
            return Ok(None);
        }
        if choice == RecoveryChoice::MarkMissed {
            cancel_open_runs(&tx, now).await?;
        }
        let decided = recovery(&tx).await?;
        tx.commit().await?;
        Ok(decided)
    }

    async fn note_names_compared(&self, now: Timestamp) -> Result<(), LedgerError> {
        let connection = self.connection().await?;
        let note = "UPDATE recovery SET names_compared_at = :now";
        execute(&*connection, note, named! { now: micros(now) }).await?;
        Ok(())
    }
}

/// Cancels what was open in the copy, as an operator would run by run.
async fn cancel_open_runs(tx: &Transaction<'_>, now: Timestamp) -> Result<(), LedgerError> {
    let cancel = format!(
        "UPDATE run
     SET canceled_at = :now,
         reason = CASE WHEN state = '{READING}' THEN coalesce(reason, :canceled) ELSE reason END,
         read_after = least(read_after, :now)
     WHERE state <> '{CLOSED}' AND canceled_at IS NULL"
    );
    let canceled = UnprocessedReason::Canceled.as_str();
    execute(tx, &cancel, named! { now: micros(now), canceled: canceled }).await?;
    let wake =
        format!("UPDATE chunk SET ready_at = :now WHERE state = '{READY}' AND ready_at > :now");
    execute(tx, &wake, named! { now: micros(now) }).await?;
    Ok(())
}

async fn recovery(db: &impl GenericClient) -> Result<Option<Recovery>, LedgerError> {
    let select = "SELECT as_of, state, decided_at, decided_by, names_compared_at FROM recovery";
    let Some(row) = query_opt(db, select, &[]).await? else { return Ok(None) };
    Ok(Some(Recovery {
        as_of: instant(&row, "as_of")?,
        state: RecoveryState::read(row.get("state"))?,
        decided_at: instant_or_none(&row, "decided_at")?,
        decided_by: row.get("decided_by"),
        names_compared_at: instant_or_none(&row, "names_compared_at")?,
    }))
}
