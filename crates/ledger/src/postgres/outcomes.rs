//! Lists outcomes, and reads them from rows, on PostgreSQL.

use cohort_database::GenericClient;
use cohort_database::statement::query as query_by_place;
use cohort_preferences::{JobId, TenantId};
use tokio_postgres::Row;

use super::conditions::Conditions;
use super::named::{Named, query};
use super::row::{from_json_or_none, instant, parsed, place, small_number};
use crate::columns::{OUTCOME, OutcomeColumns, RUN_JOB_TENANT};
use crate::identity::work_key;
use crate::{FiringName, LedgerError, OutcomeQuery, OutcomeRecord, Repeated, RunId, StatusName};

/// A run and a place in it.
pub(super) type Place = (i64, i64);

pub(super) async fn outcomes(
    db: &impl GenericClient,
    wanted: &OutcomeQuery,
) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError> {
    let (after, most) = (wanted.after()?, wanted.limit());
    let (run, limit) = (wanted.run.map(|run| run.0), most as i64);
    let job = wanted.job.as_ref().map(JobId::as_str);
    let tenant = wanted.tenant.as_ref().map(TenantId::as_str);
    let status = wanted.status.map(StatusName::code);
    let mut conditions = Conditions::default();
    conditions.add_after("(o.run, o.ordinal)", after.as_ref());
    conditions.add("o.run =", run.as_ref());
    conditions.add("j.job_id =", job.as_ref());
    conditions.add("t.tenant_id =", tenant.as_ref());
    conditions.add("o.status =", status.as_ref());
    conditions.add("o.reason =", wanted.reason.as_ref());
    conditions.add_part_of("o.detail", wanted.error.as_ref());
    let limit = conditions.place_of(&limit);
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT {OUTCOME}
         FROM outcome o {RUN_JOB_TENANT}
         {restricted}
         ORDER BY o.run, o.ordinal
         LIMIT {limit}"
    );
    let rows = read_outcomes(&query_by_place(db, &sql, conditions.bound()).await?)?;
    let next = rows
        .last()
        .filter(|_| rows.len() == most)
        .map(|((run, ordinal), _)| format!("{run}:{ordinal}"));
    Ok((rows.into_iter().map(|(_, record)| record).collect(), next))
}

/// The outcomes that a statement with the columns of [`OUTCOME`] returns, each with its place.
pub(super) async fn select_outcomes(
    db: &impl GenericClient,
    sql: &str,
    named: Named<'_>,
) -> Result<Vec<(Place, OutcomeRecord)>, LedgerError> {
    read_outcomes(&query(db, sql, named).await?)
}

fn read_outcomes(rows: &[Row]) -> Result<Vec<(Place, OutcomeRecord)>, LedgerError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns = OutcomeColumns::find(|name| place(first, name))?;
    rows.iter().map(|row| read_outcome(row, &columns)).collect()
}

fn read_outcome(
    row: &Row,
    columns: &OutcomeColumns,
) -> Result<(Place, OutcomeRecord), LedgerError> {
    let place = (row.get(columns.run), row.get(columns.ordinal));
    let (tenant_id, job_id): (TenantId, JobId) =
        (parsed(row, columns.tenant_id)?, parsed(row, columns.job_id)?);
    let (nominal, timezone): (FiringName, String) =
        (parsed(row, columns.nominal)?, row.get(columns.timezone));
    let preference_version: Option<i64> = row.get(columns.preference_version);
    let repeats = from_json_or_none(row, columns.repeats)?
        .map(|repeated: Repeated| repeated.of(&job_id, &tenant_id));
    let record = OutcomeRecord {
        key: work_key(&job_id, &tenant_id, nominal, &timezone, row.get(columns.key_nonce)),
        job_id,
        run_id: RunId(place.0),
        feature_type: parsed(row, columns.feature_type)?,
        tenant_id,
        nominal,
        timezone,
        scheduled_at: instant(row, columns.scheduled_at)?,
        status: StatusName::from_code(row.get(columns.status))?,
        reason: row.get(columns.reason),
        detail: row.get(columns.detail),
        attempts: small_number(row, columns.attempts),
        chunk: row.get(columns.chunk),
        preference_version: preference_version.map(|version| version as u64),
        purpose_version: row
            .get::<_, Option<i64>>(columns.purpose_version)
            .map(|version| version as u32),
        repeats,
        stale: row.get(columns.stale),
        result: from_json_or_none(row, columns.result)?,
        finished_at: instant(row, columns.finished_at)?,
    };
    Ok((place, record))
}
