//! Lists outcomes, and reads them from rows, on SQLite.

use cohort_preferences::{JobId, TenantId};
use rusqlite::{Connection, Params, Row, named_params};

use super::row::{from_json_or_none, instant, parsed, unreadable};
use crate::columns::{OUTCOME, OutcomeColumns, RUN_JOB_TENANT};
use crate::identity::work_key;
use crate::{FiringName, LedgerError, OutcomeQuery, OutcomeRecord, Repeated, RunId, StatusName};

/// A run and a place in it.
pub(super) type Place = (i64, i64);

pub(super) fn outcomes(
    tx: &Connection,
    query: &OutcomeQuery,
) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError> {
    let limit = query.limit();
    let (after_run, after_ordinal) = query.after()?.unwrap_or((0, -1));
    let sql = format!(
        "SELECT {OUTCOME}
         FROM outcome o {RUN_JOB_TENANT}
         WHERE (o.run, o.ordinal) > (:after_run, :after_ordinal)
             AND (:run IS NULL OR o.run = :run)
             AND (:job IS NULL OR j.job_id = :job)
             AND (:tenant IS NULL OR t.tenant_id = :tenant)
             AND (:status IS NULL OR o.status = :status)
             AND (:reason IS NULL OR o.reason = :reason)
             AND (:error IS NULL OR instr(o.detail, :error) > 0)
         ORDER BY o.run, o.ordinal
         LIMIT :limit"
    );
    let parameters = named_params! {
        ":after_run": after_run,
        ":after_ordinal": after_ordinal,
        ":run": query.run.map(|run| run.0),
        ":job": query.job.as_ref().map(JobId::as_str),
        ":tenant": query.tenant.as_ref().map(TenantId::as_str),
        ":status": query.status.map(StatusName::code),
        ":reason": query.reason,
        ":error": query.error,
        ":limit": limit as i64,
    };
    let rows = select_outcomes(tx, &sql, parameters)?;
    let next = rows
        .last()
        .filter(|_| rows.len() == limit)
        .map(|((run, ordinal), _)| format!("{run}:{ordinal}"));
    Ok((rows.into_iter().map(|(_, record)| record).collect(), next))
}

/// The outcomes that a statement with the columns of [`OUTCOME`] returns, each with its place.
pub(super) fn select_outcomes(
    tx: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<(Place, OutcomeRecord)>, LedgerError> {
    let mut statement = tx.prepare_cached(sql)?;
    let columns = OutcomeColumns::find(|name| statement.column_index(name))?;
    let outcomes = statement.query_map(parameters, |row| read_outcome(row, &columns))?;
    Ok(outcomes.collect::<Result<_, _>>()?)
}

fn read_outcome(
    row: &Row<'_>,
    columns: &OutcomeColumns,
) -> rusqlite::Result<(Place, OutcomeRecord)> {
    let place = (row.get(columns.run)?, row.get(columns.ordinal)?);
    let (tenant_id, job_id): (TenantId, JobId) =
        (parsed(row, columns.tenant_id)?, parsed(row, columns.job_id)?);
    let (nominal, timezone): (FiringName, String) =
        (parsed(row, columns.nominal)?, row.get(columns.timezone)?);
    let key_nonce = row.get_ref(columns.key_nonce)?.as_str_or_null()?;
    let repeats = from_json_or_none(row, columns.repeats)?
        .map(|repeated: Repeated| repeated.of(&job_id, &tenant_id));
    let record = OutcomeRecord {
        key: work_key(&job_id, &tenant_id, nominal, &timezone, key_nonce),
        job_id,
        run_id: RunId(place.0),
        feature_type: parsed(row, columns.feature_type)?,
        tenant_id,
        nominal,
        timezone,
        scheduled_at: instant(row, columns.scheduled_at)?,
        status: StatusName::from_code(row.get(columns.status)?)
            .map_err(|error| unreadable(columns.status, error))?,
        reason: row.get(columns.reason)?,
        detail: row.get(columns.detail)?,
        attempts: row.get(columns.attempts)?,
        chunk: row.get(columns.chunk)?,
        preference_version: row
            .get::<_, Option<i64>>(columns.preference_version)?
            .map(|version| version as u64),
        purpose_version: row
            .get::<_, Option<i64>>(columns.purpose_version)?
            .map(|version| version as u32),
        repeats,
        stale: row.get(columns.stale)?,
        result: from_json_or_none(row, columns.result)?,
        finished_at: instant(row, columns.finished_at)?,
    };
    Ok((place, record))
}
