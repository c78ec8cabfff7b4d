//! Opens runs, finds and lists them, on SQLite.

use std::collections::HashSet;

use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params, params};

use super::row::{
    from_json, from_name, group, instant, instant_or_none, number, parsed, parsed_or_none,
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

pub(super) fn open_runs(
    tx: &Connection,
    job: &JobId,
    plan: &Plan,
    now: Timestamp,
) -> Result<Vec<RunId>, LedgerError> {
    if let Some(planned_by) = &plan.tzdb
        && let Some(in_force) = agents::tzdb_in_force(tx)?
        && in_force != *planned_by
    {
        return Err(LedgerError::OtherTzdb { planned_by: planned_by.clone(), in_force });
    }
    let job = jobs::advance_watermark(tx, job, plan.watermark)?;
    // Only what the calendar names is paused: an operator's trigger is meant.
    let pause = match plan.tzdb {
        Some(_) => jobs::lasting_pause(tx, job)?,
        None => None,
    };
    let mut opened = Vec::new();
    for new in &plan.runs {
        let held = pause.map(|pause| new.under(pause));
        opened.extend(open_run(tx, job, held.as_ref().unwrap_or(new), now)?);
    }
    Ok(opened)
}

/// Opens a run; `None` if another agent has opened it already (F3).
pub(super) fn open_run(
    tx: &Connection,
    job: i64,
    new: &NewRun,
    now: Timestamp,
) -> Result<Option<RunId>, LedgerError> {
    let (skipped, missed) = new.unprocessed_members();
    let id = tx
        .prepare_cached(
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
        )?
        .query_row(
            named_params! {
                ":job": job,
                ":job_version": new.job_version,
                ":feature_type": new.feature_type.as_str(),
                ":frequency": new.group.frequency().as_str(),
                ":time_key": new.group.time_key().to_string(),
                ":timezone": new.group.timezone().name(),
                ":nominal": new.occurrence.nominal.to_string(),
                ":nominal_date": new.occurrence.nominal.date().map(|date| date.to_string()),
                ":scheduled_at": micros(new.occurrence.at),
                ":priority": urgency(new.priority),
                ":state": new.state().as_str(),
                ":reason": new.unprocessed.map(|(reason, _members)| reason.as_str()),
                ":stated": to_json(&new.stated),
                ":missed": missed as i64,
                ":skipped": skipped as i64,
                ":opened_at": micros(now),
                ":closed_at": new.closed_at(now).map(micros),
            },
            |row| row.get("id").map(RunId),
        )
        .optional()?;
    Ok(id)
}

pub(super) fn named_since(
    tx: &Connection,
    job: &JobId,
    date: Date,
) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError> {
    let mut statement = tx.prepare_cached(
        "SELECT frequency, time_key, timezone, nominal
         FROM run
         WHERE job = (SELECT id FROM job WHERE job_id = ?1) AND nominal_date >= ?2",
    )?;
    let named = statement.query_map(params![job.as_str(), date.to_string()], |row| {
        Ok((group(row, ["frequency", "time_key", "timezone"])?, parsed(row, "nominal")?))
    })?;
    Ok(named.collect::<Result<_, _>>()?)
}

pub(super) fn unread_beside(
    tx: &Connection,
    run: RunId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Run>, LedgerError> {
    let sql = format!(
        "SELECT {RUN}
         FROM {RUNS}
         JOIN run own ON own.id = ?1
             AND own.priority = r.priority
             AND own.scheduled_at = r.scheduled_at
             AND own.feature_type = r.feature_type
         WHERE r.state = '{READING}' AND r.read_after <= ?2
             AND r.cursor IS NULL AND r.reason IS NULL AND r.selection IS NULL AND r.id <> ?1
         ORDER BY r.id
         LIMIT ?3"
    );
    select_runs(tx, &sql, params![run.0, micros(now), limit as i64])
}

pub(super) fn run(tx: &Connection, id: RunId) -> Result<Option<Run>, LedgerError> {
    Ok(select_runs(tx, &format!("SELECT {RUN} FROM {RUNS} WHERE r.id = ?1"), [id.0])?.pop())
}

pub(super) fn runs(tx: &Connection, query: &RunQuery) -> Result<Vec<Run>, LedgerError> {
    let sql = format!(
        "SELECT {RUN}
         FROM {RUNS}
         WHERE (?1 IS NULL OR j.job_id = ?1)
             AND (?2 IS NULL OR r.state = ?2)
             AND (?3 IS NULL OR r.id < ?3)
             AND (?5 IS NULL OR r.nominal = ?5)
         ORDER BY r.id DESC
         LIMIT ?4"
    );
    let parameters = params![
        query.job.as_ref().map(JobId::as_str),
        query.state.map(RunState::as_str),
        query.before.map(|run| run.0),
        query.limit() as i64,
        query.nominal.map(|nominal| nominal.to_string())
    ];
    select_runs(tx, &sql, parameters)
}

/// The runs that a statement with the columns of [`RUN`] returns.
pub(super) fn select_runs(
    tx: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<Run>, LedgerError> {
    let mut statement = tx.prepare_cached(sql)?;
    let columns = RunColumns::find(|name| statement.column_index(name))?;
    let runs = statement.query_map(parameters, |row| read_run(row, &columns))?;
    Ok(runs.collect::<Result<_, _>>()?)
}

fn read_run(row: &Row<'_>, columns: &RunColumns) -> rusqlite::Result<Run> {
    Ok(Run {
        id: RunId(row.get(columns.id)?),
        job_id: parsed(row, columns.job_id)?,
        job_version: row.get(columns.job_version)?,
        feature_type: parsed(row, columns.feature_type)?,
        group: group(row, [columns.frequency, columns.time_key, columns.timezone])?,
        occurrence: Firing {
            nominal: parsed(row, columns.nominal)?,
            at: instant(row, columns.scheduled_at)?,
        },
        state: from_name(row, columns.state, RunState::from_name)?,
        reason: parsed_or_none(row, columns.reason)?,
        stated: from_json(row, columns.stated)?,
        cursor: row.get(columns.cursor)?,
        read_faults: row.get(columns.read_faults)?,
        counts: Counts {
            members: number(row, columns.members)?,
            succeeded: number(row, columns.succeeded)?,
            failed: number(row, columns.failed)?,
            skipped: number(row, columns.skipped)?,
            unread: number(row, columns.unread)?,
            missed: number(row, columns.missed)?,
        },
        opened_at: instant(row, columns.opened_at)?,
        canceled_at: instant_or_none(row, columns.canceled_at)?,
        closed_at: instant_or_none(row, columns.closed_at)?,
    })
}
