//! Opens runs, finds and lists them, on PostgreSQL.

use std::collections::HashSet;

use cohort_database::statement::query as query_by_place;
use cohort_database::{GenericClient, Transaction};
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::Row;

use super::conditions::Conditions;
use super::named::{Named, named, query, query_opt};
use super::row::{
    from_json, from_name, group, instant, instant_or_none, number, parsed, parsed_or_none, place,
    small_number,
};
use super::{agents, jobs};
use crate::columns::{RUN, RUNS, RunColumns};
use crate::json::to_json;
use crate::rows::micros;
use crate::run::urgency;
use crate::states::READING;
use crate::{
    Counts, Firing, FiringName, LedgerError, NewRun, Plan, Run, RunId, RunQuery, RunState,
};

pub(super) async fn open_runs(
    tx: &Transaction<'_>,
    job: &JobId,
    plan: &Plan,
    now: Timestamp,
) -> Result<Vec<RunId>, LedgerError> {
    if let Some(planned_by) = &plan.tzdb
        && let Some(in_force) = agents::tzdb_in_force(tx).await?
        && in_force != *planned_by
    {
        return Err(LedgerError::OtherTzdb { planned_by: planned_by.clone(), in_force });
    }
    let job = jobs::advance_watermark(tx, job, plan.watermark).await?;
    // Only what the calendar names is paused: an operator's trigger is meant.
    let pause = match plan.tzdb {
        Some(_) => jobs::lasting_pause(tx, job).await?,
        None => None,
    };
    let mut opened = Vec::new();
    for new in &plan.runs {
        let held = pause.map(|pause| new.under(pause));
        opened.extend(open_run(tx, job, held.as_ref().unwrap_or(new), now).await?);
    }
    Ok(opened)
}

/// Opens a run; `None` if another agent has opened it already (F3).
pub(super) async fn open_run(
    tx: &Transaction<'_>,
    job: i64,
    new: &NewRun,
    now: Timestamp,
) -> Result<Option<RunId>, LedgerError> {
    let (skipped, missed) = new.unprocessed_members();
    let row = query_opt(
        tx,
        "INSERT INTO run (
             job, job_version, feature_type, frequency, time_key, timezone,
             nominal, nominal_date, scheduled_at, priority, state, reason, stated,
             read_after, missed, skipped, unread, opened_at, closed_at
         )
         VALUES (
             :job, :job_version, :feature_type, :frequency, :time_key, :timezone,
             :nominal, :nominal_date, :scheduled_at, :priority, :state, :reason, :stated,
             :scheduled_at, :missed, :skipped, :skipped, :opened_at, :closed_at
         )
         ON CONFLICT DO NOTHING
         RETURNING id",
        named! {
            job: job,
            job_version: new.job_version.map(|version| version as i32),
            feature_type: new.feature_type.as_str(),
            frequency: new.group.frequency().as_str(),
            time_key: new.group.time_key().to_string(),
            timezone: new.group.timezone().name(),
            nominal: new.occurrence.nominal.to_string(),
            nominal_date: new.occurrence.nominal.date().map(|date| date.to_string()),
            scheduled_at: micros(new.occurrence.at),
            priority: urgency(new.priority),
            state: new.state().as_str(),
            reason: new.unprocessed.map(|(reason, _members)| reason.as_str()),
            stated: to_json(&new.stated),
            missed: missed as i64,
            skipped: skipped as i64,
            opened_at: micros(now),
            closed_at: new.closed_at(now).map(micros),
        },
    )
    .await?;
    Ok(row.map(|row| RunId(row.get("id"))))
}

pub(super) async fn named_since(
    db: &impl GenericClient,
    job: &JobId,
    date: Date,
) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError> {
    let rows = query(
        db,
        "SELECT frequency, time_key, timezone, nominal
         FROM run
         WHERE job = (SELECT id FROM job WHERE job_id = :job) AND nominal_date >= :date",
        named! { job: job.as_str(), date: date.to_string() },
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok((group(row, ["frequency", "time_key", "timezone"])?, parsed(row, "nominal")?))
        })
        .collect()
}

pub(super) async fn unread_beside(
    db: &impl GenericClient,
    run: RunId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Run>, LedgerError> {
    let sql = format!(
        "SELECT {RUN}
         FROM {RUNS}
         JOIN run own ON own.id = :run
             AND own.priority = r.priority
             AND own.scheduled_at = r.scheduled_at
             AND own.feature_type = r.feature_type
         WHERE r.state = '{READING}' AND r.read_after <= :now
             AND r.cursor IS NULL AND r.reason IS NULL AND r.selection IS NULL AND r.id <> :run
         ORDER BY r.id
         LIMIT :limit"
    );
    select_runs(db, &sql, named! { run: run.0, now: micros(now), limit: limit as i64 }).await
}

pub(super) async fn run(db: &impl GenericClient, id: RunId) -> Result<Option<Run>, LedgerError> {
    let sql = format!("SELECT {RUN} FROM {RUNS} WHERE r.id = :run");
    Ok(select_runs(db, &sql, named! { run: id.0 }).await?.pop())
}

pub(super) async fn runs(
    db: &impl GenericClient,
    wanted: &RunQuery,
) -> Result<Vec<Run>, LedgerError> {
    let (job, limit) = (wanted.job.as_ref().map(JobId::as_str), wanted.limit() as i64);
    let (state, before) = (wanted.state.map(RunState::as_str), wanted.before.map(|run| run.0));
    let nominal = wanted.nominal.map(|nominal| nominal.to_string());
    let mut conditions = Conditions::default();
    conditions.add("j.job_id =", job.as_ref());
    conditions.add("r.state =", state.as_ref());
    conditions.add("r.nominal =", nominal.as_ref());
    conditions.add("r.id <", before.as_ref());
    let limit = conditions.place_of(&limit);
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT {RUN}
         FROM {RUNS}
         {restricted}
         ORDER BY r.id DESC
         LIMIT {limit}"
    );
    read_runs(&query_by_place(db, &sql, conditions.bound()).await?)
}

/// The runs that a statement with the columns of [`RUN`] returns.
pub(super) async fn select_runs(
    db: &impl GenericClient,
    sql: &str,
    named: Named<'_>,
) -> Result<Vec<Run>, LedgerError> {
    read_runs(&query(db, sql, named).await?)
}

fn read_runs(rows: &[Row]) -> Result<Vec<Run>, LedgerError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns = RunColumns::find(|name| place(first, name))?;
    rows.iter().map(|row| read_run(row, &columns)).collect()
}

fn read_run(row: &Row, columns: &RunColumns) -> Result<Run, LedgerError> {
    let job_version: Option<i32> = row.get(columns.job_version);
    Ok(Run {
        id: RunId(row.get(columns.id)),
        job_id: parsed(row, columns.job_id)?,
        job_version: job_version.map(|version| version as u32),
        feature_type: parsed(row, columns.feature_type)?,
        group: group(row, [columns.frequency, columns.time_key, columns.timezone])?,
        occurrence: Firing {
            nominal: parsed(row, columns.nominal)?,
            at: instant(row, columns.scheduled_at)?,
        },
        state: from_name(row, columns.state, RunState::from_name)?,
        reason: parsed_or_none(row, columns.reason)?,
        stated: from_json(row, columns.stated)?,
        cursor: row.get(columns.cursor),
        read_faults: small_number(row, columns.read_faults),
        counts: Counts {
            members: number(row, columns.members),
            succeeded: number(row, columns.succeeded),
            failed: number(row, columns.failed),
            skipped: number(row, columns.skipped),
            unread: number(row, columns.unread),
            missed: number(row, columns.missed),
        },
        opened_at: instant(row, columns.opened_at)?,
        canceled_at: instant_or_none(row, columns.canceled_at)?,
        closed_at: instant_or_none(row, columns.closed_at)?,
    })
}
