//! The health of purposes, on PostgreSQL (D12).

use async_trait::async_trait;
use cohort_database::GenericClient;
use tokio_postgres::Row;

use super::PostgresLedger;
use super::named::{execute, named, query};
use crate::LedgerError;
use crate::health::{HealthLedger, HealthRow, PurposeHealth};

#[async_trait]
impl HealthLedger for PostgresLedger {
    async fn purpose_health(&self) -> Result<Vec<PurposeHealth>, LedgerError> {
        purpose_health(&*self.connection().await?).await
    }

    async fn store_health(&self, health: &PurposeHealth) -> Result<bool, LedgerError> {
        store_health(&*self.connection().await?, &HealthRow::of(health)).await
    }
}

async fn purpose_health(db: &impl GenericClient) -> Result<Vec<PurposeHealth>, LedgerError> {
    let rows = query(db, "SELECT * FROM purpose_health ORDER BY purpose_id", &[]).await?;
    Ok(rows.iter().map(read_row).filter_map(HealthRow::read).collect())
}

async fn store_health(db: &impl GenericClient, row: &HealthRow) -> Result<bool, LedgerError> {
    let stored = execute(
        db,
        "INSERT INTO purpose_health (
             purpose_id, state, since, until, recovering, cause, last_error, calls_failed,
             first_failure, last_success, outage_from, outage_until, probes_failed,
             probe_holder, probe_until, recent, set_by, revision
         )
         SELECT :purpose_id, :state, :since, :until, :recovering, :cause, :last_error,
             :calls_failed, :first_failure, :last_success, :outage_from, :outage_until,
             :probes_failed, :probe_holder, :probe_until, :recent, :set_by, 1
         WHERE :revision::bigint = 0
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
             revision = :revision::bigint + 1
         WHERE purpose_health.revision = :revision::bigint",
        named! {
            purpose_id: row.purpose,
            state: row.state,
            since: row.since,
            until: row.until,
            recovering: row.recovering,
            cause: row.cause,
            last_error: row.last_error,
            calls_failed: row.calls_failed,
            first_failure: row.first_failure,
            last_success: row.last_success,
            outage_from: row.outage_from,
            outage_until: row.outage_until,
            probes_failed: row.probes_failed,
            probe_holder: row.probe_holder,
            probe_until: row.probe_until,
            recent: row.recent,
            set_by: row.set_by,
            revision: row.revision,
        },
    )
    .await?;
    Ok(stored == 1)
}

fn read_row(row: &Row) -> HealthRow {
    HealthRow {
        purpose: row.get("purpose_id"),
        state: row.get("state"),
        since: row.get("since"),
        until: row.get("until"),
        recovering: row.get("recovering"),
        cause: row.get("cause"),
        last_error: row.get("last_error"),
        calls_failed: row.get("calls_failed"),
        first_failure: row.get("first_failure"),
        last_success: row.get("last_success"),
        outage_from: row.get("outage_from"),
        outage_until: row.get("outage_until"),
        probes_failed: row.get("probes_failed"),
        probe_holder: row.get("probe_holder"),
        probe_until: row.get("probe_until"),
        recent: row.get("recent"),
        set_by: row.get("set_by"),
        revision: row.get("revision"),
    }
}
