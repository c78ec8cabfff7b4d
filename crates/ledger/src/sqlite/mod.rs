//! The ledger on SQLite.

mod agents;
mod backlog;
mod completeness;
mod deaths;
mod definitions;
mod erasure;
mod explain;
mod fair;
mod lists;
mod operations;
mod record;
mod repeats;
mod retention;
mod throttle;

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cohort_database::{Heard, Migrations, Sqlite, SqliteOptions, Version};
use cohort_preferences::{JobId, PreferenceGroup, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::watch;

use crate::json::to_json;
use crate::outcome::{Outcome, OutcomeRecord, UnprocessedReason};
use crate::run::urgency;
use crate::{
    Chunk, ChunkResult, Claim, Counts, FiringName, Ledger, LedgerError, MembersRead, NewRun,
    OpenMember, OtherRuns, OutcomeQuery, Plan, RetriedAttempt, Run, RunId, RunQuery, RunState,
    Watermark,
};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Every program so far may use the schema.
fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

/// The ledger in one SQLite file.
#[derive(Clone)]
pub struct SqliteLedger {
    db: Sqlite,
    /// Told of each commit of this process.
    commits: watch::Sender<()>,
    /// One process has the file, and knows its own acts.
    silence: watch::Sender<Heard>,
}

impl SqliteLedger {
    /// Opens the file; creates it and brings its schema up to date unless `read_only`.
    pub fn open(path: &Path, read_only: bool) -> Result<Self, LedgerError> {
        let commits = watch::Sender::new(());
        let told = commits.clone();
        let on_commit: Box<dyn Fn() + Send> = Box::new(move || told.send_replace(()));
        let options =
            SqliteOptions { path: path.into(), readers: 2, read_only, on_commit: Some(on_commit) };
        let silence = watch::Sender::new(Heard { payload: None, connections: 1 });
        Ok(Self { db: Sqlite::open(options, &migrations())?, commits, silence })
    }
}

impl From<SqliteLedger> for Arc<dyn Ledger> {
    fn from(ledger: SqliteLedger) -> Self {
        Arc::new(ledger)
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn ensure_job(&self, job: &JobId, now: Timestamp) -> Result<Watermark, LedgerError> {
        let job = job.clone();
        self.db.write(move |tx| ensure_job(tx, &job, now)).await
    }

    async fn open_runs(
        &self,
        job: &JobId,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError> {
        let job = job.clone();
        self.db.write(move |tx| open_runs(tx, &job, &plan, now)).await
    }

    async fn named_since(
        &self,
        job: &JobId,
        date: Date,
    ) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError> {
        let job = job.clone();
        self.db.read(move |tx| named_since(tx, &job, date)).await
    }

    async fn unread_beside(
        &self,
        run: &Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Run>, LedgerError> {
        let run = run.id;
        self.db.read(move |tx| unread_beside(tx, run, now, limit)).await
    }

    async fn add_members(
        &self,
        pages: Vec<MembersRead<'_>>,
    ) -> Result<Vec<Option<Vec<Chunk>>>, LedgerError> {
        let pages: Vec<Page> = pages.into_iter().map(Page::of).collect();
        self.db.write(move |tx| pages.iter().map(|page| add_members(tx, page)).collect()).await
    }

    async fn postpone_reading(&self, run: RunId, until: Timestamp) -> Result<(), LedgerError> {
        self.db.write(move |tx| postpone_reading(tx, run, until)).await
    }

    async fn give_up_reading(
        &self,
        run: RunId,
        reason: UnprocessedReason,
        unread: Option<u64>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.db.write(move |tx| give_up_reading(tx, run, reason, unread, now)).await
    }

    async fn renew_claims(&self, claim: Claim, chunks: Vec<i64>) -> Result<(), LedgerError> {
        self.db.write(move |tx| renew_claims(tx, &claim, &chunks)).await
    }

    async fn release_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
        let holder = holder.to_owned();
        self.db.write(move |tx| release_chunks(tx, &holder, now)).await
    }

    async fn record_outcomes(&self, settlement: ChunkResult) -> Result<(), LedgerError> {
        self.db.write(move |tx| record_outcomes(tx, &settlement)).await
    }

    async fn other_runs(
        &self,
        run: &Run,
        period: Option<RangeInclusive<Date>>,
    ) -> Result<OtherRuns, LedgerError> {
        let run = run.clone();
        self.db.read(move |tx| repeats::other_runs(tx, &run, period.as_ref())).await
    }

    async fn already_ran(
        &self,
        run: &Run,
        period: RangeInclusive<Date>,
        chunk: &Chunk,
        numbers: Vec<u64>,
    ) -> Result<HashSet<u64>, LedgerError> {
        let (run, chunk) = (run.clone(), chunk.first_made_as());
        self.db.read(move |tx| repeats::already_ran(tx, &run, &period, chunk, &numbers)).await
    }

    async fn open_earlier(
        &self,
        run: &Run,
        numbers: Vec<u64>,
    ) -> Result<HashMap<u64, usize>, LedgerError> {
        let run = run.clone();
        self.db.read(move |tx| repeats::open_earlier(tx, &run, &numbers)).await
    }

    async fn tenant_names(&self, numbers: Vec<u64>) -> Result<HashMap<u64, TenantId>, LedgerError> {
        self.db
            .read(move |tx| {
                numbers.iter().map(|number| Ok((*number, tenant_name(tx, *number)?))).collect()
            })
            .await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, LedgerError> {
        self.db.read(move |tx| lists::run(tx, id)).await
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<Run>, LedgerError> {
        self.db.read(move |tx| lists::runs(tx, &query)).await
    }

    async fn outcomes(
        &self,
        query: OutcomeQuery,
    ) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError> {
        self.db.read(move |tx| lists::outcomes(tx, &query)).await
    }

    fn news(&self) -> watch::Receiver<Heard> {
        self.silence.subscribe()
    }
}

fn ensure_job(tx: &Connection, job: &JobId, now: Timestamp) -> Result<Watermark, LedgerError> {
    tx.prepare_cached(
        "INSERT INTO job (job_id, began, mark, known_until) VALUES (?1, ?2, ?2, ?2) \
        ON CONFLICT (job_id) DO NOTHING",
    )?
    .execute(params![job.as_str(), micros(now)])?;
    let watermark = tx
        .prepare_cached("SELECT mark, known_until, replan_from FROM job WHERE job_id = ?1")?
        .query_row([job.as_str()], |row| {
            let replan_from =
                row.get::<_, Option<i64>>(2)?.map(|from| micros_to_instant(2, from)).transpose()?;
            Ok(Watermark {
                planned_until: instant(row, 0)?,
                known_until: instant(row, 1)?,
                replan_from,
            })
        })?;
    Ok(watermark)
}

fn open_runs(
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
    let job = advance_watermark(tx, job, plan.watermark)?;
    let mut opened = Vec::new();
    for new in &plan.runs {
        opened.extend(open_run(tx, job, new, now)?);
    }
    Ok(opened)
}

/// Advances the mark of a job, and answers the job's number.
fn advance_watermark(
    tx: &Connection,
    job: &JobId,
    watermark: Watermark,
) -> Result<i64, LedgerError> {
    let job = tx
        .prepare_cached(
            "UPDATE job SET mark = max(mark, ?2), known_until = max(known_until, ?3), replan_from \
             = nullif(replan_from, ?4)
             WHERE job_id = ?1 RETURNING id",
        )?
        .query_row(
            params![
                job.as_str(),
                micros(watermark.planned_until),
                micros(watermark.known_until),
                watermark.replan_from.map(micros)
            ],
            |row| row.get(0),
        )?;
    Ok(job)
}

fn named_since(
    tx: &Connection,
    job: &JobId,
    date: Date,
) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError> {
    let mut statement = tx.prepare_cached(
        "SELECT frequency, time_key, timezone, nominal FROM run WHERE job = (SELECT id FROM job \
         WHERE job_id = ?1) AND nominal_date >= ?2",
    )?;
    let named = statement.query_map(params![job.as_str(), date.to_string()], |row| {
        Ok((group(row, 0)?, parsed(row, 3)?))
    })?;
    Ok(named.collect::<Result<_, _>>()?)
}

fn open_run(
    tx: &Connection,
    job: i64,
    new: &NewRun,
    now: Timestamp,
) -> Result<Option<RunId>, LedgerError> {
    let reason = new.unprocessed.map(|(reason, _members)| reason.as_str());
    let (skipped, missed) = new.unprocessed_members();
    let id = tx
        .prepare_cached(
            "INSERT INTO run (job, feature_type, frequency, time_key, timezone, nominal, \
             nominal_date, scheduled_at, priority, state, reason, stated,
                              read_after, missed, opened_at, closed_at, job_version, skipped, \
                              unread)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?8, ?13, ?14, iif(?10 = \
             'closed', ?14, NULL), ?15, ?16, ?16)
             ON CONFLICT DO NOTHING RETURNING id",
        )?
        .query_row(
            params![
                job,
                new.feature_type.as_str(),
                new.group.frequency().as_str(),
                new.group.time_key().to_string(),
                new.group.timezone().name(),
                new.occurrence.nominal.to_string(),
                new.occurrence.nominal.date().map(|date| date.to_string()),
                micros(new.occurrence.at),
                urgency(new.priority),
                new.state().as_str(),
                reason,
                to_json(&new.stated),
                missed as i64,
                micros(now),
                new.job_version,
                skipped as i64,
            ],
            |row| row.get(0).map(RunId),
        )
        .optional()?;
    Ok(id)
}

/// The columns that `read_run` reads, in its order.
const RUN: &str = "SELECT r.id, j.job_id, r.feature_type, r.frequency, r.time_key, r.timezone, \
    r.nominal, r.scheduled_at, r.state, r.reason, r.stated,
    r.cursor, r.read_faults, r.members, r.succeeded, r.failed, r.skipped, r.missed, r.opened_at, \
    r.closed_at, r.job_version, r.unread, r.canceled_at
    FROM run r JOIN job j ON j.id = r.job";

fn unread_beside(
    tx: &Connection,
    run: RunId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Run>, LedgerError> {
    let sql = format!(
        "{RUN} JOIN run own ON own.id = ?1 AND own.priority = r.priority AND own.scheduled_at = \
         r.scheduled_at AND own.feature_type = r.feature_type
         WHERE r.state = 'reading' AND r.read_after <= ?2 AND r.cursor IS NULL AND r.reason IS \
         NULL AND r.id <> ?1
         ORDER BY r.id LIMIT ?3"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(params![run.0, micros(now), limit as i64], lists::read_run)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

struct Page {
    run: RunId,
    cursor: Option<String>,
    next_cursor: Option<String>,
    stated: String,
    members: Vec<(u64, TenantId)>,
    chunk_size: usize,
    claim: Claim,
}

impl Page {
    fn of(read: MembersRead<'_>) -> Self {
        let MembersRead { run, stated, members, next_cursor, chunk_size, claim } = read;
        Self {
            run: run.id,
            cursor: run.cursor.clone(),
            next_cursor,
            stated: to_json(&stated),
            members,
            chunk_size,
            claim,
        }
    }
}

fn add_members(tx: &Connection, page: &Page) -> Result<Option<Vec<Chunk>>, LedgerError> {
    let Some(advanced) = advance_cursor(tx, page)? else {
        return Ok(None);
    };
    erasure::note_names(tx, &page.members, page.claim.at)?;
    let mut chunks = Vec::with_capacity(page.members.len().div_ceil(page.chunk_size));
    let mut ordinal = advanced.first_ordinal;
    for members in page.members.chunks(page.chunk_size) {
        chunks.push(insert_chunk(tx, page, ordinal, &advanced, members)?);
        ordinal += members.len() as u64;
    }
    close_if_complete(tx, page.run, page.claim.at)?;
    Ok(Some(chunks))
}

/// A run whose cursor was moved past a page.
struct Advanced {
    first_ordinal: u64,
    job: i64,
    priority: i64,
}

/// Moves the run's cursor past this page; `None` if it stands elsewhere, because another agent has
/// read the page.
fn advance_cursor(tx: &Connection, page: &Page) -> Result<Option<Advanced>, LedgerError> {
    let state = if page.next_cursor.is_some() { RunState::Reading } else { RunState::Processing };
    let moved = tx
        .prepare_cached(
            "UPDATE run SET cursor = ?3, state = ?4, stated = ?5, members = members + ?6, \
             read_after = ?7, read_faults = 0
             WHERE id = ?1 AND state = 'reading' AND cursor IS ?2 RETURNING members - ?6, job, \
             priority",
        )?
        .query_row(
            params![
                page.run.0,
                page.cursor,
                page.next_cursor,
                state.as_str(),
                page.stated,
                page.members.len() as i64,
                micros(page.claim.at)
            ],
            |row| {
                Ok(Advanced {
                    first_ordinal: row.get::<_, i64>(0)? as u64,
                    job: row.get(1)?,
                    priority: row.get(2)?,
                })
            },
        )
        .optional()?;
    Ok(moved)
}

fn insert_chunk(
    tx: &Connection,
    page: &Page,
    first_ordinal: u64,
    advanced: &Advanced,
    members: &[(u64, TenantId)],
) -> Result<Chunk, LedgerError> {
    let numbers: Vec<u64> = members.iter().map(|(number, _)| *number).collect();
    let open = OpenMember::in_order(first_ordinal, &numbers);
    let (first, last) = (open[0].number, open[open.len() - 1].number);
    tx.prepare_cached(
        "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, priority, \
         ready_at, open_members, attempt, holder,
                            lease_until, token, job)
         VALUES (?1, ?2, ?3, ?4, ?5, 'claimed', ?6, ?7, ?8, 0, ?9, ?10, 1, ?11)",
    )?
    .execute(params![
        page.run.0,
        first as i64,
        last as i64,
        first_ordinal as i64,
        members.len() as i64,
        advanced.priority,
        micros(page.claim.at),
        to_json(&open),
        page.claim.holder,
        micros(page.claim.lease_until),
        advanced.job,
    ])?;
    Ok(Chunk {
        id: tx.last_insert_rowid(),
        run: page.run,
        open,
        attempts: 0,
        token: 1,
        deaths: 0,
        split_from: None,
    })
}

fn postpone_reading(tx: &Connection, run: RunId, until: Timestamp) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "UPDATE run SET read_after = ?2, read_faults = read_faults + 1 WHERE id = ?1",
    )?
    .execute(params![run.0, micros(until)])?;
    Ok(())
}

fn give_up_reading(
    tx: &Connection,
    run: RunId,
    reason: UnprocessedReason,
    unread: Option<u64>,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let Some(unread) = unread else {
        tx.prepare_cached("UPDATE run SET reason = ?2 WHERE id = ?1 AND state = 'reading'")?
            .execute(params![run.0, reason.as_str()])?;
        return Ok(());
    };
    match reason {
        UnprocessedReason::Missed(reason) => {
            tx.prepare_cached(
                "UPDATE run SET state = 'processing', reason = ?2, missed = ?3 WHERE \
                id = ?1 AND state = 'reading'",
            )?
            .execute(params![run.0, reason.as_str(), unread as i64])?;
            close_if_complete(tx, run, now)
        }
        UnprocessedReason::JobPaused | UnprocessedReason::Canceled => {
            tx.prepare_cached(
                "UPDATE run SET state = 'processing', reason = ?2, skipped = skipped + ?3, unread \
                 = ?3 WHERE id = ?1 AND state = 'reading'",
            )?
            .execute(params![run.0, reason.as_str(), unread as i64])?;
            close_if_complete(tx, run, now)
        }
    }
}

fn renew_claims(tx: &Connection, claim: &Claim, chunks: &[i64]) -> Result<(), LedgerError> {
    let mut statement = tx.prepare_cached(
        "UPDATE chunk SET lease_until = ?2 WHERE id = ?4 AND state = 'claimed' \
            AND holder = ?1 AND lease_until >= ?3",
    )?;
    for chunk in chunks {
        statement.execute(params![
            claim.holder,
            micros(claim.lease_until),
            micros(claim.at),
            chunk
        ])?;
    }
    Ok(())
}

fn release_chunks(tx: &Connection, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
    let released = tx
        .prepare_cached(
            "UPDATE chunk SET state = 'ready', holder = NULL, lease_until = NULL, ready_at = \
             min(ready_at, ?2)
             WHERE state = 'claimed' AND holder = ?1",
        )?
        .execute(params![holder, micros(now)])?;
    Ok(released)
}

fn record_outcomes(tx: &Connection, settlement: &ChunkResult) -> Result<(), LedgerError> {
    settle_chunk(tx, settlement)?;
    for retried in &settlement.retried {
        insert_attempt(tx, settlement, retried)?;
    }
    if settlement.outcomes.is_empty() {
        return Ok(());
    }
    let id = record::insert_settlement(tx, settlement)?;
    for outcome in &settlement.outcomes {
        insert_outcome(tx, settlement, id, outcome)?;
    }
    let counts = Counts::of(&settlement.outcomes);
    tx.prepare_cached(
        "UPDATE run SET succeeded = succeeded + ?2, failed = failed + ?3, skipped = \
        skipped + ?4 WHERE id = ?1",
    )?
    .execute(params![
        settlement.run.0,
        counts.succeeded as i64,
        counts.failed as i64,
        counts.skipped as i64
    ])?;
    close_if_complete(tx, settlement.run, settlement.at)
}

/// Takes the settled members out of the chunk, if the claim still holds (F3).
fn settle_chunk(tx: &Connection, settlement: &ChunkResult) -> Result<(), LedgerError> {
    let (state, open, ready_at) = settlement.rest_of_chunk();
    let changed = tx
        .prepare_cached(
            "UPDATE chunk SET state = ?3, open_members = ?4, ready_at = ?5, attempt = ?6, holder = \
             NULL, lease_until = NULL, turn = 0
             WHERE id = ?1 AND token = ?2 AND state = 'claimed'",
        )?
        .execute(params![settlement.chunk, settlement.token, state, open, micros(ready_at),
            settlement.attempts])?;
    if changed == 1 { Ok(()) } else { Err(LedgerError::LostClaim { chunk: settlement.chunk }) }
}

fn insert_attempt(
    tx: &Connection,
    settlement: &ChunkResult,
    retried: &RetriedAttempt,
) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "INSERT INTO attempt (run, ordinal, attempt, tenant, at, error) VALUES (?1, \
        ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        settlement.run.0,
        retried.ordinal as i64,
        retried.attempt,
        retried.number as i64,
        micros(settlement.at),
        retried.error,
    ])?;
    Ok(())
}

/// Records an outcome: of a user who has none, or was requeued. Any other stays as it is (D2).
fn insert_outcome(
    tx: &Connection,
    settlement: &ChunkResult,
    id: i64,
    outcome: &Outcome,
) -> Result<(), LedgerError> {
    let changed = tx
        .prepare_cached(
            "INSERT INTO outcome (run, ordinal, tenant, chunk, status, reason, detail, attempts, \
             preference_version, stale, result, finished_at,
                                  settlement)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (run, ordinal) DO UPDATE SET chunk = ?4, status = ?5, reason = ?6, detail \
             = ?7, attempts = ?8, preference_version = ?9,
                                                      stale = ?10, result = ?11, finished_at = \
                                                      ?12, settlement = ?13
             WHERE status = 3",
        )?
        .execute(params![
            settlement.run.0,
            outcome.ordinal as i64,
            outcome.number as i64,
            settlement.chunk,
            outcome.status.name().code(),
            outcome.status.reason(),
            outcome.detail,
            outcome.attempts,
            outcome.preference_version.map(|version| version as i64),
            outcome.stale,
            outcome.result.as_ref().map(serde_json::Value::to_string),
            micros(settlement.at),
            id,
        ])?;
    let (run, ordinal) = (settlement.run, outcome.ordinal);
    if changed == 1 {
        Ok(())
    } else {
        Err(LedgerError::Corrupt(format!("place {ordinal} of run {run} has an outcome already")))
    }
}

fn close_if_complete(tx: &Connection, run: RunId, now: Timestamp) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "UPDATE run SET state = 'closed', closed_at = ?2 WHERE id = ?1 AND state = 'processing' \
         AND succeeded + failed + skipped = members + unread",
    )?
    .execute(params![run.0, micros(now)])?;
    Ok(())
}

fn tenant_name(tx: &Connection, number: u64) -> Result<TenantId, LedgerError> {
    let name: String = tx
        .prepare_cached("SELECT tenant_id FROM tenant WHERE number = ?1")?
        .query_row([number as i64], |row| row.get(0))?;
    name.parse().map_err(|error| LedgerError::Corrupt(format!("the tenant {number}: {error}")))
}

/// The group whose frequency, time key and time zone are three columns from `first` on.
fn group(row: &Row<'_>, first: usize) -> rusqlite::Result<PreferenceGroup> {
    let (frequency, time_key, timezone): (String, String, String) =
        (row.get(first)?, row.get(first + 1)?, row.get(first + 2)?);
    let group = PreferenceGroup::parse(&frequency, &time_key, &timezone)
        .map_err(|error| unreadable(first + 1, error))?;
    group.ok_or_else(|| unreadable(first + 1, "a part of the group is not stated"))
}

fn micros(instant: Timestamp) -> i64 {
    instant.as_microsecond()
}

fn instant(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    micros_to_instant(index, row.get(index)?)
}

fn micros_to_instant(index: usize, micros: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|error| unreadable(index, error))
}

fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<T> {
    row.get_ref(index)?.as_str()?.parse().map_err(|error: T::Err| unreadable(index, error))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|error| unreadable(index, error))
}

fn unreadable(
    index: usize,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, cause.into())
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{self, Handles};
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite_keeps_what_a_ledger_promises() {
        for promise in conformance::all() {
            let folder = tempfile::tempdir().expect("a folder");
            let ledger =
                SqliteLedger::open(&folder.path().join("ledger.db"), false).expect("opens");
            promise(Handles { one: ledger.clone().into(), other: ledger.into() }).await;
        }
    }
}
