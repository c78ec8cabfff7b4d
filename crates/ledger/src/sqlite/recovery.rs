//! Whether the ledger was restored, on SQLite (F11).

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteLedger;
use super::row::{instant, instant_or_none};
use crate::recovery::{Recovery, RecoveryChoice, RecoveryLedger, RecoveryState};
use crate::rows::micros;
use crate::states::{CLOSED, READING, READY};
use crate::{LedgerError, UnprocessedReason};

#[async_trait]
impl RecoveryLedger for SqliteLedger {
    async fn recovery(&self) -> Result<Option<Recovery>, LedgerError> {
        self.db.read(recovery).await
    }

    async fn decide_recovery(
        &self,
        choice: RecoveryChoice,
        by: String,
        now: Timestamp,
    ) -> Result<Option<Recovery>, LedgerError> {
        self.db.write(move |tx| decide(tx, choice, &by, now)).await
    }

    async fn note_names_compared(&self, now: Timestamp) -> Result<(), LedgerError> {
        self.db
            .write(move |tx| {
                tx.prepare_cached("UPDATE recovery SET names_compared_at = ?1")?
                    .execute([micros(now)])?;
                Ok(())
            })
            .await
    }
}

fn recovery(tx: &Connection) -> Result<Option<Recovery>, LedgerError> {
    let mut select = tx.prepare_cached(
        "SELECT as_of, state, decided_at, decided_by, names_compared_at FROM recovery",
    )?;
    let found = select.query_row([], |row| {
        let state: String = row.get("state")?;
        Ok((
            state,
            Recovery {
                as_of: instant(row, "as_of")?,
                state: RecoveryState::Held,
                decided_at: instant_or_none(row, "decided_at")?,
                decided_by: row.get("decided_by")?,
                names_compared_at: instant_or_none(row, "names_compared_at")?,
            },
        ))
    });
    let Some((state, found)) = found.optional()? else { return Ok(None) };
    Ok(Some(Recovery { state: RecoveryState::read(&state)?, ..found }))
}

fn decide(
    tx: &Connection,
    choice: RecoveryChoice,
    by: &str,
    now: Timestamp,
) -> Result<Option<Recovery>, LedgerError> {
    let decided = tx
        .prepare_cached(
            "UPDATE recovery SET state = ?1, decided_at = ?2, decided_by = ?3
             WHERE state = 'held'",
        )?
        .execute(params![RecoveryState::from(choice).as_str(), micros(now), by])?;
    if decided == 0 {
        return Ok(None);
    }
    if choice == RecoveryChoice::MarkMissed {
        cancel_open_runs(tx, now)?;
    }
    recovery(tx)
}

/// Cancels what was open in the copy, as an operator would run by run.
fn cancel_open_runs(tx: &Connection, now: Timestamp) -> Result<(), LedgerError> {
    let canceled = UnprocessedReason::Canceled.as_str();
    tx.prepare_cached(&format!(
        "UPDATE run
         SET canceled_at = ?1,
             reason = iif(state = '{READING}', coalesce(reason, ?2), reason),
             read_after = min(read_after, ?1)
         WHERE state <> '{CLOSED}' AND canceled_at IS NULL"
    ))?
    .execute(params![micros(now), canceled])?;
    tx.prepare_cached(&format!(
        "UPDATE chunk SET ready_at = ?1 WHERE state = '{READY}' AND ready_at > ?1"
    ))?
    .execute([micros(now)])?;
    Ok(())
}
