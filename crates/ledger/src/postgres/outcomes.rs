//! Lists of runs and outcomes, and how their rows are read, on PostgreSQL.

use cohort_database::GenericClient;
use cohort_database::statement::{query, query_opt};
use cohort_preferences::{JobId, TenantId};
use tokio_postgres::Row;

use super::conditions::Conditions;
use super::{RUN, from_json, group, instant, instant_or_none, parsed, unreadable};
use crate::identity::work_key;
use crate::outcome::{OutcomeRecord, StatusName};
use crate::{
    Counts, Firing, FiringName, LedgerError, OutcomeQuery, Run, RunId, RunQuery, RunState,
};

/// The columns that `read_outcome` reads, in its order.
pub(super) const OUTCOME: &str =
    "SELECT o.run, o.ordinal, t.tenant_id, o.status, o.reason, o.detail, o.attempts, o.chunk, \
     o.preference_version, o.stale,
    o.result, o.finished_at, j.job_id, r.feature_type, r.nominal, r.timezone, r.scheduled_at, \
    o.key_nonce";

/// What outcomes are joined with for these columns.
pub(super) const WITH_NAMES: &str =
    "JOIN run r ON r.id = o.run JOIN job j ON j.id = r.job JOIN tenant t ON t.number = o.tenant";

pub(super) async fn run(db: &impl GenericClient, id: RunId) -> Result<Option<Run>, LedgerError> {
    query_opt(db, &format!("{RUN} WHERE r.id = $1"), &[&id.0])
        .await?
        .as_ref()
        .map(read_run)
        .transpose()
}

pub(super) async fn runs(
    db: &impl GenericClient,
    wanted: &RunQuery,
) -> Result<Vec<Run>, LedgerError> {
    let (job, limit) = (wanted.job.as_ref().map(JobId::as_str), wanted.limit() as i64);
    let (state, before) = (wanted.state.map(RunState::as_str), wanted.before.map(|run| run.0));
    let mut conditions = Conditions::default();
    conditions.add("j.job_id =", job.as_ref());
    conditions.add("r.state =", state.as_ref());
    conditions.add("r.id <", before.as_ref());
    let limit = conditions.place_of(&limit);
    let rows = query(
        db,
        &format!("{RUN} {} ORDER BY r.id DESC LIMIT {limit}", conditions.sql()),
        conditions.bound(),
    )
    .await?;
    rows.iter().map(read_run).collect()
}

pub(super) async fn outcomes(
    db: &impl GenericClient,
    wanted: &OutcomeQuery,
) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError> {
    let (after, most) = (wanted.after()?, wanted.limit());
    let (run, job, limit) =
        (wanted.run.map(|run| run.0), wanted.job.as_ref().map(JobId::as_str), most as i64);
    let (tenant, status) = (
        wanted.tenant.as_ref().map(TenantId::as_str),
        wanted.status.map(|status| status.code() as i32),
    );
    let mut conditions = Conditions::default();
    conditions.add_behind("(o.run, o.ordinal)", after.as_ref());
    conditions.add("o.run =", run.as_ref());
    conditions.add("j.job_id =", job.as_ref());
    conditions.add("t.tenant_id =", tenant.as_ref());
    conditions.add("o.status =", status.as_ref());
    conditions.add("o.reason =", wanted.reason.as_ref());
    conditions.add_part_of("o.detail", wanted.error.as_ref());
    let limit = conditions.place_of(&limit);
    let sql = format!(
        "{OUTCOME} FROM outcome o {WITH_NAMES} {} ORDER BY o.run, o.ordinal LIMIT {limit}",
        conditions.sql()
    );
    let rows = query(db, &sql, conditions.bound()).await?;
    let next = rows
        .last()
        .filter(|_| rows.len() == most)
        .map(|row| format!("{}:{}", row.get::<_, i64>(0), row.get::<_, i64>(1)));
    Ok((rows.iter().map(read_outcome).collect::<Result<_, _>>()?, next))
}

pub(super) fn read_outcome(row: &Row) -> Result<OutcomeRecord, LedgerError> {
    let (tenant_id, job_id): (TenantId, JobId) = (parsed(row, 2)?, parsed(row, 12)?);
    let (nominal, timezone): (FiringName, String) = (parsed(row, 14)?, row.get(15));
    let (result, key_nonce): (Option<&str>, Option<&str>) = (row.get(10), row.get(17));
    Ok(OutcomeRecord {
        key: work_key(&job_id, &tenant_id, nominal, &timezone, key_nonce),
        job_id,
        run_id: RunId(row.get(0)),
        feature_type: parsed(row, 13)?,
        tenant_id,
        nominal,
        timezone,
        scheduled_at: instant(row.get(16))?,
        status: StatusName::from_code(row.get::<_, i32>(3).into())?,
        reason: row.get(4),
        detail: row.get(5),
        attempts: row.get::<_, i32>(6) as u32,
        chunk: row.get(7),
        preference_version: row.get::<_, Option<i64>>(8).map(|version| version as u64),
        stale: row.get(9),
        result: result
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| unreadable(row, 10, error))?,
        finished_at: instant(row.get(11))?,
    })
}

pub(super) fn read_run(row: &Row) -> Result<Run, LedgerError> {
    let reason: Option<&str> = row.get(9);
    let count = |index| row.get::<_, i64>(index) as u64;
    Ok(Run {
        id: RunId(row.get(0)),
        job_id: parsed(row, 1)?,
        job_version: row.get::<_, Option<i32>>(20).map(|version| version as u32),
        feature_type: parsed(row, 2)?,
        group: group(row, 3)?,
        occurrence: Firing { nominal: parsed(row, 6)?, at: instant(row.get(7))? },
        state: RunState::from_name(row.get(8)).ok_or_else(|| unreadable(row, 8, "no state"))?,
        reason: reason.map(str::parse).transpose()?,
        stated: from_json(row, 10)?,
        cursor: row.get(11),
        read_faults: row.get::<_, i32>(12) as u32,
        counts: Counts {
            members: count(13),
            succeeded: count(14),
            failed: count(15),
            skipped: count(16),
            unread: count(21),
            missed: count(17),
        },
        opened_at: instant(row.get(18))?,
        canceled_at: instant_or_none(row.get(22))?,
        closed_at: instant_or_none(row.get(19))?,
    })
}
