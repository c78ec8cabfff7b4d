//! Lists of runs and outcomes, and how their rows are read, on SQLite.

use cohort_preferences::{JobId, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{RUN, from_json, group, instant, micros_to_instant, parsed, unreadable};
use crate::identity::work_key;
use crate::outcome::{OutcomeRecord, StatusName};
use crate::{
    Counts, Firing, FiringName, LedgerError, OutcomeQuery, Run, RunId, RunQuery, RunState,
};

pub(super) fn run(tx: &Connection, id: RunId) -> Result<Option<Run>, LedgerError> {
    Ok(tx
        .prepare_cached(&format!("{RUN} WHERE r.id = ?1"))?
        .query_row([id.0], read_run)
        .optional()?)
}

pub(super) fn runs(tx: &Connection, query: &RunQuery) -> Result<Vec<Run>, LedgerError> {
    let sql = format!(
        "{RUN} WHERE (?1 IS NULL OR j.job_id = ?1) AND (?2 IS NULL OR r.state = ?2) AND (?3 IS \
         NULL OR r.id < ?3) ORDER BY r.id DESC LIMIT ?4"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let job = query.job.as_ref().map(JobId::as_str);
    let rows = statement.query_map(
        params![
            job,
            query.state.map(RunState::as_str),
            query.before.map(|run| run.0),
            query.limit() as i64
        ],
        read_run,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The columns that `read_outcome` reads, in its order.
pub(super) const OUTCOME: &str =
    "SELECT o.run, o.ordinal, t.tenant_id, o.status, o.reason, o.detail, o.attempts, o.chunk, \
     o.preference_version, o.stale,
    o.result, o.finished_at, j.job_id, r.feature_type, r.nominal, r.timezone, r.scheduled_at, \
    o.key_nonce";

/// What outcomes are joined with for these columns.
pub(super) const WITH_NAMES: &str =
    "JOIN run r ON r.id = o.run JOIN job j ON j.id = r.job JOIN tenant t ON t.number = o.tenant";

pub(super) fn outcomes(
    tx: &Connection,
    query: &OutcomeQuery,
) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError> {
    let limit = query.limit();
    let (after_run, after_ordinal) = query.after()?.unwrap_or((0, -1));
    let mut statement = tx.prepare_cached(&format!(
        "{OUTCOME} FROM outcome o {WITH_NAMES}
         WHERE (o.run, o.ordinal) > (?1, ?2) AND (?3 IS NULL OR o.run = ?3) AND (?4 IS NULL OR \
         j.job_id = ?4)
           AND (?5 IS NULL OR t.tenant_id = ?5) AND (?6 IS NULL OR o.status = ?6) AND (?7 IS NULL \
           OR o.reason = ?7)
           AND (?8 IS NULL OR instr(o.detail, ?8) > 0)
         ORDER BY o.run, o.ordinal LIMIT ?9"
    ))?;
    let parameters = params![
        after_run,
        after_ordinal,
        query.run.map(|run| run.0),
        query.job.as_ref().map(JobId::as_str),
        query.tenant.as_ref().map(TenantId::as_str),
        query.status.map(StatusName::code),
        query.reason,
        query.error,
        limit as i64,
    ];
    let rows: Vec<((i64, i64), OutcomeRecord)> =
        statement.query_map(parameters, read_outcome)?.collect::<Result<_, _>>()?;
    let next = rows
        .last()
        .filter(|_| rows.len() == limit)
        .map(|((run, ordinal), _)| format!("{run}:{ordinal}"));
    Ok((rows.into_iter().map(|(_, record)| record).collect(), next))
}

pub(super) fn read_outcome(row: &Row<'_>) -> rusqlite::Result<((i64, i64), OutcomeRecord)> {
    let place = (row.get(0)?, row.get(1)?);
    let (tenant_id, job_id): (TenantId, JobId) = (parsed(row, 2)?, parsed(row, 12)?);
    let (nominal, timezone): (FiringName, String) = (parsed(row, 14)?, row.get(15)?);
    let (result, key_nonce): (Option<String>, Option<String>) = (row.get(10)?, row.get(17)?);
    let record = OutcomeRecord {
        key: work_key(&job_id, &tenant_id, nominal, &timezone, key_nonce.as_deref()),
        job_id,
        run_id: RunId(place.0),
        feature_type: parsed(row, 13)?,
        tenant_id,
        nominal,
        timezone,
        scheduled_at: instant(row, 16)?,
        status: StatusName::from_code(row.get(3)?).map_err(|error| unreadable(3, error))?,
        reason: row.get(4)?,
        detail: row.get(5)?,
        attempts: row.get(6)?,
        chunk: row.get(7)?,
        preference_version: row.get::<_, Option<i64>>(8)?.map(|version| version as u64),
        stale: row.get(9)?,
        result: result
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| unreadable(10, error))?,
        finished_at: instant(row, 11)?,
    };
    Ok((place, record))
}

pub(super) fn read_run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let reason: Option<String> = row.get(9)?;
    let count = |index| row.get::<_, i64>(index).map(|count| count as u64);
    Ok(Run {
        id: RunId(row.get(0)?),
        job_id: parsed(row, 1)?,
        job_version: row.get(20)?,
        feature_type: parsed(row, 2)?,
        group: group(row, 3)?,
        occurrence: Firing { nominal: parsed(row, 6)?, at: instant(row, 7)? },
        state: RunState::from_name(&row.get::<_, String>(8)?)
            .ok_or_else(|| unreadable(8, "no state"))?,
        reason: reason
            .map(|text| text.parse())
            .transpose()
            .map_err(|error: LedgerError| unreadable(9, error))?,
        stated: from_json(row, 10)?,
        cursor: row.get(11)?,
        read_faults: row.get(12)?,
        counts: Counts {
            members: count(13)?,
            succeeded: count(14)?,
            failed: count(15)?,
            skipped: count(16)?,
            unread: count(21)?,
            missed: count(17)?,
        },
        opened_at: instant(row, 18)?,
        canceled_at: row
            .get::<_, Option<i64>>(22)?
            .map(|at| micros_to_instant(22, at))
            .transpose()?,
        closed_at: row
            .get::<_, Option<i64>>(19)?
            .map(|at| micros_to_instant(19, at))
            .transpose()?,
    })
}
