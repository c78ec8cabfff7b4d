//! The health of purposes, on SQLite (D12).

use async_trait::async_trait;
use rusqlite::{Connection, Row, named_params};

use super::SqliteLedger;
use crate::LedgerError;
use crate::health::{HealthLedger, HealthRow, PurposeHealth};

#[async_trait]
impl HealthLedger for SqliteLedger {
    async fn purpose_health(&self) -> Result<Vec<PurposeHealth>, LedgerError> {
        self.db.read(purpose_health).await
    }

    async fn store_health(&self, health: &PurposeHealth) -> Result<bool, LedgerError> {
        let row = HealthRow::of(health);
        self.db.write(move |tx| store_health(tx, &row)).await
    }
}

fn purpose_health(tx: &Connection) -> Result<Vec<PurposeHealth>, LedgerError> {
    let mut statement = tx.prepare_cached("SELECT * FROM purpose_health ORDER BY purpose_id")?;
    let rows = statement.query_map([], read_row)?.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter_map(HealthRow::read).collect())
}

fn store_health(tx: &Connection, row: &HealthRow) -> Result<bool, LedgerError> {
    let stored = tx
        .prepare_cached(
            "INSERT INTO purpose_health (
                 purpose_id, state, since, until, recovering, cause, last_error, calls_failed,
                 first_failure, last_success, outage_from, outage_until, probes_failed,
                 probe_holder, probe_until, recent, set_by, revision
             )
             SELECT :purpose_id, :state, :since, :until, :recovering, :cause, :last_error,
                 :calls_failed, :first_failure, :last_success, :outage_from, :outage_until,
                 :probes_failed, :probe_holder, :probe_until, :recent, :set_by, 1
             WHERE :revision = 0
                 OR EXISTS (SELECT 1 FROM purpose_health WHERE purpose_id = :purpose_id)
             ON CONFLICT (purpose_id) DO UPDATE
             SET state = excluded.state,
                 since = excluded.since,
                 until = excluded.until,
                 recovering = excluded.recovering,
                 cause = excluded.cause,
                 last_error = excluded.last_error,
                 calls_failed = excluded.calls_failed,
                 first_failure = excluded.first_failure,
                 last_success = excluded.last_success,
                 outage_from = excluded.outage_from,
                 outage_until = excluded.outage_until,
                 probes_failed = excluded.probes_failed,
                 probe_holder = excluded.probe_holder,
                 probe_until = excluded.probe_until,
                 recent = excluded.recent,
                 set_by = excluded.set_by,
                 revision = :revision + 1
             WHERE revision = :revision",
        )?
        .execute(named_params! {
            ":purpose_id": row.purpose,
            ":state": row.state,
            ":since": row.since,
            ":until": row.until,
            ":recovering": row.recovering,
            ":cause": row.cause,
            ":last_error": row.last_error,
            ":calls_failed": row.calls_failed,
            ":first_failure": row.first_failure,
            ":last_success": row.last_success,
            ":outage_from": row.outage_from,
            ":outage_until": row.outage_until,
            ":probes_failed": row.probes_failed,
            ":probe_holder": row.probe_holder,
            ":probe_until": row.probe_until,
            ":recent": row.recent,
            ":set_by": row.set_by,
            ":revision": row.revision,
        })?;
    Ok(stored == 1)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<HealthRow> {
    Ok(HealthRow {
        purpose: row.get("purpose_id")?,
        state: row.get("state")?,
        since: row.get("since")?,
        until: row.get("until")?,
        recovering: row.get("recovering")?,
        cause: row.get("cause")?,
        last_error: row.get("last_error")?,
        calls_failed: row.get("calls_failed")?,
        first_failure: row.get("first_failure")?,
        last_success: row.get("last_success")?,
        outage_from: row.get("outage_from")?,
        outage_until: row.get("outage_until")?,
        probes_failed: row.get("probes_failed")?,
        probe_holder: row.get("probe_holder")?,
        probe_until: row.get("probe_until")?,
        recent: row.get("recent")?,
        set_by: row.get("set_by")?,
        revision: row.get("revision")?,
    })
}
