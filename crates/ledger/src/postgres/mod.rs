//! The ledger on PostgreSQL: several agents work on one, each with a pool of connections and one
//! more that records.
//!
//! ```text
//! record_outcomes ─► queue ─► chunks, runs, outcomes of all that wait ─► commit     one connection (`settle`)
//! everything else ─► one statement, or one short transaction                        a pool
//! news ◄─ LISTEN                                                                    one connection (`news`)
//! ```
//!
//! Each statement sees what was committed before it began, and one that changes a row that another
//! transaction has changed meanwhile looks at the row anew (READ COMMITTED): elections, tokens and
//! counters are therefore conditions of the statement that writes, and nothing that was read before
//! is relied on. Rows are held in one order, so that agents never wait in a circle: release of the
//! time zone database, revision, jobs by name, chunks by number, runs by number, users by number.
//!
//! What may fail: the connection, the server. What was asked is then an error that may pass, and
//! whoever asked tries again; a settlement is tried again here, since its chunk would otherwise be
//! done twice (D2).

mod agents;
mod backlog;
mod completeness;
mod conditions;
mod deaths;
mod definitions;
mod erasure;
mod explain;
mod fair;
mod lists;
mod news;
mod operations;
mod record;
mod repeats;
mod retention;
mod settle;
mod throttle;

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use cohort_database::statement::{execute, query, query_one, query_opt};
use cohort_database::{
    GenericClient, Heard, Migrations, Planning, Postgres, PostgresOptions, Reader, SchemaName,
    Transaction, Version,
};
use cohort_preferences::{JobId, PreferenceGroup, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::Row;

use self::settle::Queue;
use crate::json::to_json;
use crate::outcome::{OutcomeRecord, UnprocessedReason};
use crate::run::urgency;
use crate::{
    Chunk, ChunkResult, Claim, FiringName, Ledger, LedgerError, MembersRead, NewRun, OpenMember,
    OtherRuns, OutcomeQuery, Plan, Run, RunId, RunQuery, RunState, Watermark,
};

mod embedded {
    use cohort_database::embed_migrations;

    embed_migrations!("migrations/postgres");
}

/// Every program so far may use the schema.
fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

/// Connections of an agent besides the one that records: few, as each is a process of the server.
const CONNECTIONS: usize = 4;

/// The ledger in one schema of a PostgreSQL database.
pub struct PostgresLedger {
    db: Postgres,
    queue: Queue,
    news: watch::Receiver<Heard>,
    /// Told of each recording of this process.
    recorded: watch::Sender<()>,
    /// What works in the background ends with the ledger.
    _working: JoinSet<()>,
}

impl PostgresLedger {
    /// Connects; creates the schema and brings it up to date.
    pub async fn open(url: &str, schema: &str) -> Result<Self, LedgerError> {
        let schema: SchemaName = schema.parse()?;
        let options = PostgresOptions {
            url: url.into(),
            schema,
            readers: CONNECTIONS,
            read_only: false,
            planning: Planning::ByKeys,
        };
        let db = Postgres::open(options, &migrations()).await?;
        let news = db.listen(&news::channel(db.schema())).await?;
        let (queue, settlements) = settle::queue();
        let mut working = JoinSet::new();
        let recorded = watch::Sender::new(());
        working.spawn(settle::work(db.clone(), settlements, recorded.clone()));
        Ok(Self { db, queue, news, recorded, _working: working })
    }

    /// A connection of the pool, for one statement or one short transaction.
    async fn connection(&self) -> Result<Reader, LedgerError> {
        Ok(self.db.read().await?)
    }
}

impl From<PostgresLedger> for Arc<dyn Ledger> {
    fn from(ledger: PostgresLedger) -> Self {
        Arc::new(ledger)
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn ensure_job(&self, job: &JobId, now: Timestamp) -> Result<Watermark, LedgerError> {
        ensure_job(&*self.connection().await?, job, now).await
    }

    async fn open_runs(
        &self,
        job: &JobId,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let opened = open_runs(&tx, job, &plan, now).await?;
        news::tell(&tx, self.db.schema(), opened.first().copied()).await?;
        tx.commit().await?;
        Ok(opened)
    }

    async fn named_since(
        &self,
        job: &JobId,
        date: Date,
    ) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError> {
        named_since(&*self.connection().await?, job, date).await
    }

    async fn unread_beside(
        &self,
        run: &Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Run>, LedgerError> {
        unread_beside(&*self.connection().await?, run.id, now, limit).await
    }

    async fn add_members(
        &self,
        pages: Vec<MembersRead<'_>>,
    ) -> Result<Vec<Option<Vec<Chunk>>>, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let added = add_members(&tx, &pages).await?;
        tx.commit().await?;
        Ok(added)
    }

    async fn postpone_reading(&self, run: RunId, until: Timestamp) -> Result<(), LedgerError> {
        postpone_reading(&*self.connection().await?, run, until).await
    }

    async fn give_up_reading(
        &self,
        run: RunId,
        reason: UnprocessedReason,
        unread: Option<u64>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        give_up_reading(&*self.connection().await?, run, reason, unread, now).await
    }

    async fn renew_claims(&self, claim: Claim, chunks: Vec<i64>) -> Result<(), LedgerError> {
        renew_claims(&*self.connection().await?, &claim, &chunks).await
    }

    async fn release_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
        let connection = self.connection().await?;
        let released = release_chunks(&*connection, holder, now).await?;
        news::tell(&*connection, self.db.schema(), released.first().copied()).await?;
        Ok(released.len())
    }

    async fn record_outcomes(&self, settlement: ChunkResult) -> Result<(), LedgerError> {
        settle::wait(&self.queue, settlement).await
    }

    async fn other_runs(
        &self,
        run: &Run,
        period: Option<RangeInclusive<Date>>,
    ) -> Result<OtherRuns, LedgerError> {
        repeats::other_runs(&*self.connection().await?, run, period.as_ref()).await
    }

    async fn already_ran(
        &self,
        run: &Run,
        period: RangeInclusive<Date>,
        chunk: &Chunk,
        numbers: Vec<u64>,
    ) -> Result<HashSet<u64>, LedgerError> {
        repeats::already_ran(
            &*self.connection().await?,
            run,
            &period,
            chunk.first_made_as(),
            &numbers,
        )
        .await
    }

    async fn open_earlier(
        &self,
        run: &Run,
        numbers: Vec<u64>,
    ) -> Result<HashMap<u64, usize>, LedgerError> {
        repeats::open_earlier(&*self.connection().await?, run, &numbers).await
    }

    async fn tenant_names(&self, numbers: Vec<u64>) -> Result<HashMap<u64, TenantId>, LedgerError> {
        tenant_names(&*self.connection().await?, &numbers).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, LedgerError> {
        lists::run(&*self.connection().await?, id).await
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<Run>, LedgerError> {
        lists::runs(&*self.connection().await?, &query).await
    }

    async fn outcomes(
        &self,
        query: OutcomeQuery,
    ) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError> {
        lists::outcomes(&*self.connection().await?, &query).await
    }

    fn news(&self) -> watch::Receiver<Heard> {
        self.news.clone()
    }
}

async fn ensure_job(
    db: &impl GenericClient,
    job: &JobId,
    now: Timestamp,
) -> Result<Watermark, LedgerError> {
    let insert = "INSERT INTO job (job_id, began, mark, known_until) VALUES ($1, $2, $2, $2) ON \
        CONFLICT (job_id) DO NOTHING";
    execute(db, insert, &[&job.as_str(), &micros(now)]).await?;
    let row = query_one(
        db,
        "SELECT mark, known_until, replan_from FROM job WHERE job_id = $1",
        &[&job.as_str()],
    )
    .await?;
    let (planned_until, known_until) = (instant(row.get(0))?, instant(row.get(1))?);
    Ok(Watermark { planned_until, known_until, replan_from: instant_or_none(row.get(2))? })
}

async fn open_runs(
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
    let job = advance_watermark(tx, job, plan.watermark).await?;
    let mut opened = Vec::new();
    for new in &plan.runs {
        opened.extend(open_run(tx, job, new, now).await?);
    }
    Ok(opened)
}

/// Advances the mark of a job, and answers the job's number. The job is held from here on: two who
/// open its runs come one after the other.
async fn advance_watermark(
    tx: &Transaction<'_>,
    job: &JobId,
    watermark: Watermark,
) -> Result<i64, LedgerError> {
    let row = query_one(
        tx,
        "UPDATE job SET mark = greatest(mark, $2), known_until = greatest(known_until, $3), \
         replan_from = nullif(replan_from, $4)
         WHERE job_id = $1 RETURNING id",
        &[
            &job.as_str(),
            &micros(watermark.planned_until),
            &micros(watermark.known_until),
            &watermark.replan_from.map(micros),
        ],
    )
    .await?;
    Ok(row.get(0))
}

async fn named_since(
    db: &impl GenericClient,
    job: &JobId,
    date: Date,
) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError> {
    let rows = query(
        db,
        "SELECT frequency, time_key, timezone, nominal FROM run WHERE job = (SELECT id FROM job \
         WHERE job_id = $1) AND nominal_date >= $2",
        &[&job.as_str(), &date.to_string()],
    )
    .await?;
    rows.iter().map(|row| Ok((group(row, 0)?, parsed(row, 3)?))).collect()
}

async fn open_run(
    tx: &Transaction<'_>,
    job: i64,
    new: &NewRun,
    now: Timestamp,
) -> Result<Option<RunId>, LedgerError> {
    let reason = new.unprocessed.map(|(reason, _members)| reason.as_str());
    let (skipped, missed) = new.unprocessed_members();
    let closed_at = (new.state() == RunState::Closed).then(|| micros(now));
    let row = query_opt(
        tx,
        "INSERT INTO run (job, feature_type, frequency, time_key, timezone, nominal, nominal_date, \
         scheduled_at, priority, state, reason, stated,
                          read_after, missed, opened_at, closed_at, job_version, skipped, unread)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $8, $13, $14, $15, $16, $17, \
         $17)
         ON CONFLICT DO NOTHING RETURNING id",
        &[
            &job,
            &new.feature_type.as_str(),
            &new.group.frequency().as_str(),
            &new.group.time_key().to_string(),
            &new.group.timezone().name(),
            &new.occurrence.nominal.to_string(),
            &new.occurrence.nominal.date().map(|date| date.to_string()),
            &micros(new.occurrence.at),
            &urgency(new.priority),
            &new.state().as_str(),
            &reason,
            &to_json(&new.stated),
            &(missed as i64),
            &micros(now),
            &closed_at,
            &new.job_version.map(|version| version as i32),
            &(skipped as i64),
        ],
    )
    .await?;
    Ok(row.map(|row| RunId(row.get(0))))
}

/// The columns that `read_run` reads, in its order.
const RUN: &str = "SELECT r.id, j.job_id, r.feature_type, r.frequency, r.time_key, r.timezone, \
    r.nominal, r.scheduled_at, r.state, r.reason, r.stated,
    r.cursor, r.read_faults, r.members, r.succeeded, r.failed, r.skipped, r.missed, r.opened_at, \
    r.closed_at, r.job_version, r.unread, r.canceled_at
    FROM run r JOIN job j ON j.id = r.job";

async fn unread_beside(
    db: &impl GenericClient,
    run: RunId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Run>, LedgerError> {
    let sql = format!(
        "{RUN} JOIN run own ON own.id = $1 AND own.priority = r.priority AND own.scheduled_at = \
         r.scheduled_at AND own.feature_type = r.feature_type
         WHERE r.state = 'reading' AND r.read_after <= $2 AND r.cursor IS NULL AND r.reason IS \
         NULL AND r.id <> $1
         ORDER BY r.id LIMIT $3"
    );
    query(db, &sql, &[&run.0, &micros(now), &(limit as i64)])
        .await?
        .iter()
        .map(lists::read_run)
        .collect()
}

/// Runs are held by ascending number, whatever the order of their pages.
async fn add_members(
    tx: &Transaction<'_>,
    pages: &[MembersRead<'_>],
) -> Result<Vec<Option<Vec<Chunk>>>, LedgerError> {
    let mut in_order: Vec<(usize, &MembersRead<'_>)> = pages.iter().enumerate().collect();
    in_order.sort_by_key(|(_, page)| page.run.id);
    let mut advanced = Vec::with_capacity(pages.len());
    for (place, page) in in_order {
        advanced.extend(advance_cursor(tx, place, page).await?);
    }
    let mut members: Vec<_> = advanced
        .iter()
        .flat_map(|run| &run.page.members)
        .map(|(number, name)| (*number, name))
        .collect();
    members.sort_unstable();
    members.dedup();
    if let Some(at) = pages.iter().map(|page| page.claim.at).max() {
        erasure::note_names(tx, &members, at).await?;
    }
    let mut added: Vec<Option<Vec<Chunk>>> = pages.iter().map(|_| None).collect();
    for run in advanced {
        added[run.place] = Some(insert_chunks(tx, &run).await?);
    }
    Ok(added)
}

/// A page whose run has advanced past it.
struct Advanced<'a> {
    /// Among the pages that are added.
    place: usize,
    page: &'a MembersRead<'a>,
    first_ordinal: u64,
    job: i64,
    priority: i32,
}

/// Moves the run's cursor past this page, and closes it if that was all of it; `None` if it stands
/// elsewhere, because another agent has read the page.
async fn advance_cursor<'a>(
    tx: &Transaction<'_>,
    place: usize,
    page: &'a MembersRead<'a>,
) -> Result<Option<Advanced<'a>>, LedgerError> {
    let members = page.members.len() as i64;
    let row = query_opt(
        tx,
        "UPDATE run SET cursor = $3::text, stated = $4, members = members + $5, read_after = $6, \
         read_faults = 0,
                state = CASE WHEN $3::text IS NOT NULL THEN 'reading' WHEN succeeded + failed + \
                skipped = members + unread + $5 THEN 'closed' ELSE 'processing' END,
                closed_at = CASE WHEN $3::text IS NULL AND succeeded + failed + skipped = members \
                + unread + $5 THEN $6::bigint END
         WHERE id = $1 AND state = 'reading' AND cursor IS NOT DISTINCT FROM $2::text RETURNING \
         members - $5, job, priority",
        &[
            &page.run.id.0,
            &page.run.cursor,
            &page.next_cursor,
            &to_json(&page.stated),
            &members,
            &micros(page.claim.at),
        ],
    )
    .await?;
    Ok(row.map(|row| Advanced {
        place,
        page,
        first_ordinal: row.get::<_, i64>(0) as u64,
        job: row.get(1),
        priority: row.get(2),
    }))
}

/// Puts all chunks of a page in by one statement.
async fn insert_chunks(
    tx: &Transaction<'_>,
    run: &Advanced<'_>,
) -> Result<Vec<Chunk>, LedgerError> {
    let (page, claim) = (run.page, &run.page.claim);
    let numbers: Vec<u64> = page.members.iter().map(|(number, _)| *number).collect();
    let ordinals = (run.first_ordinal..).step_by(page.chunk_size);
    let open: Vec<Vec<OpenMember>> = ordinals
        .zip(numbers.chunks(page.chunk_size))
        .map(|(first, numbers)| OpenMember::in_order(first, numbers))
        .collect();
    let column =
        |of: fn(&[OpenMember]) -> u64| open.iter().map(|open| of(open) as i64).collect::<Vec<_>>();
    let rows = query(
        tx,
        "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, priority, \
         ready_at, open_members, attempt, holder,
                            lease_until, token, job)
         SELECT $1, new.first_tenant, new.last_tenant, new.first_ordinal, new.size, 'claimed', $2, \
         $3, new.open_members, 0, $4, $5, 1, $6
         FROM unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[]) WITH \
         ORDINALITY
              AS new (first_tenant, last_tenant, first_ordinal, size, open_members, place) ORDER \
              BY new.place
         RETURNING id, first_ordinal",
        &[
            &page.run.id.0,
            &run.priority,
            &micros(claim.at),
            &claim.holder,
            &micros(claim.lease_until),
            &run.job,
            &column(|open| open[0].number),
            &column(|open| open[open.len() - 1].number),
            &column(|open| open[0].ordinal),
            &column(|open| open.len() as u64),
            &open.iter().map(to_json).collect::<Vec<_>>(),
        ],
    )
    .await?;
    let ids: HashMap<i64, i64> = rows.iter().map(|row| (row.get(1), row.get(0))).collect();
    let chunk = |open: Vec<OpenMember>| Chunk {
        id: ids[&(open[0].ordinal as i64)],
        run: page.run.id,
        open,
        attempts: 0,
        token: 1,
        deaths: 0,
        split_from: None,
    };
    Ok(open.into_iter().map(chunk).collect())
}

async fn postpone_reading(
    db: &impl GenericClient,
    run: RunId,
    until: Timestamp,
) -> Result<(), LedgerError> {
    execute(
        db,
        "UPDATE run SET read_after = $2, read_faults = read_faults + 1 WHERE id = $1",
        &[&run.0, &micros(until)],
    )
    .await?;
    Ok(())
}

async fn give_up_reading(
    db: &impl GenericClient,
    run: RunId,
    reason: UnprocessedReason,
    unread: Option<u64>,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let Some(unread) = unread.map(|unread| unread as i64) else {
        execute(
            db,
            "UPDATE run SET reason = $2 WHERE id = $1 AND state = 'reading'",
            &[&run.0, &reason.as_str()],
        )
        .await?;
        return Ok(());
    };
    let unread_as = match reason {
        UnprocessedReason::Missed(_) => "missed = $3",
        UnprocessedReason::JobPaused | UnprocessedReason::Canceled => {
            "skipped = skipped + $3, unread = $3"
        }
    };
    let is_complete = "succeeded + failed + skipped = members";
    let end = format!(
        "UPDATE run SET reason = $2, {unread_as}, state = CASE WHEN {is_complete} THEN 'closed' \
         ELSE 'processing' END,
                closed_at = CASE WHEN {is_complete} THEN $4::bigint END
         WHERE id = $1 AND state = 'reading'"
    );
    execute(db, &end, &[&run.0, &reason.as_str(), &unread, &micros(now)]).await?;
    Ok(())
}

/// Passes over a chunk that is just being recorded or rescued: neither needs the claim any more.
async fn renew_claims(
    db: &impl GenericClient,
    claim: &Claim,
    chunks: &[i64],
) -> Result<(), LedgerError> {
    execute(
        db,
        "UPDATE chunk SET lease_until = $2 WHERE id IN (
             SELECT id FROM chunk WHERE id = ANY($4) AND state = 'claimed' AND holder = $1 AND \
             lease_until >= $3 FOR UPDATE SKIP LOCKED)",
        &[&claim.holder, &micros(claim.lease_until), &micros(claim.at), &chunks],
    )
    .await?;
    Ok(())
}

/// The runs of the chunks that were released, one for each.
async fn release_chunks(
    db: &impl GenericClient,
    holder: &str,
    now: Timestamp,
) -> Result<Vec<RunId>, LedgerError> {
    let rows = query(
        db,
        "UPDATE chunk SET state = 'ready', holder = NULL, lease_until = NULL, ready_at = \
         least(ready_at, $2)
         FROM (SELECT id FROM chunk WHERE state = 'claimed' AND holder = $1 ORDER BY id FOR \
         UPDATE) held
         WHERE held.id = chunk.id AND state = 'claimed' AND holder = $1 RETURNING run",
        &[&holder, &micros(now)],
    )
    .await?;
    Ok(deaths::runs_of(&rows))
}

async fn tenant_names(
    db: &impl GenericClient,
    numbers: &[u64],
) -> Result<HashMap<u64, TenantId>, LedgerError> {
    let asked: Vec<i64> = numbers.iter().map(|number| *number as i64).collect();
    let rows =
        query(db, "SELECT number, tenant_id FROM tenant WHERE number = ANY($1)", &[&asked]).await?;
    let names: HashMap<u64, TenantId> = rows
        .iter()
        .map(|row| Ok((row.get::<_, i64>(0) as u64, parsed(row, 1)?)))
        .collect::<Result<_, LedgerError>>()?;
    match numbers.iter().find(|number| !names.contains_key(number)) {
        Some(unknown) => Err(LedgerError::Corrupt(format!("the tenant {unknown} has no name"))),
        None => Ok(names),
    }
}

/// The group whose frequency, time key and time zone are three columns from `first` on.
fn group(row: &Row, first: usize) -> Result<PreferenceGroup, LedgerError> {
    let group = PreferenceGroup::parse(row.get(first), row.get(first + 1), row.get(first + 2))?;
    group.ok_or_else(|| unreadable(row, first + 1, "a part of the group is not stated"))
}

fn micros(instant: Timestamp) -> i64 {
    instant.as_microsecond()
}

fn instant(micros: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_microsecond(micros).map_err(|error| LedgerError::Corrupt(error.to_string()))
}

fn instant_or_none(micros: Option<i64>) -> Result<Option<Timestamp>, LedgerError> {
    micros.map(instant).transpose()
}

fn parsed<T: FromStr<Err: Display>>(row: &Row, index: usize) -> Result<T, LedgerError> {
    row.get::<_, &str>(index).parse().map_err(|error| unreadable(row, index, error))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row, index: usize) -> Result<T, LedgerError> {
    serde_json::from_str(row.get(index)).map_err(|error| unreadable(row, index, error))
}

fn unreadable(row: &Row, index: usize, cause: impl Display) -> LedgerError {
    LedgerError::Corrupt(format!("{}: {cause}", row.columns()[index].name()))
}

#[cfg(test)]
mod tests {
    use cohort_database::testing::{TestDatabase, fresh_postgres};

    use super::super::conformance::{self, Handles};
    use super::super::record::RecordLedger;
    use super::*;

    /// The ledger of a process of its own.
    async fn open(database: &TestDatabase) -> Arc<dyn Ledger> {
        PostgresLedger::open(&database.url, database.schema.as_str()).await.expect("opens").into()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres_keeps_what_a_ledger_promises() {
        for promise in conformance::all() {
            let database = fresh_postgres();
            promise(Handles { one: open(&database).await, other: open(&database).await }).await;
        }
    }
    /// Planted, and red: the feed's order is the number alone.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_feed_waits_for_a_transaction_that_is_open_and_may_come_before() {
        let database = fresh_postgres();
        let ledger =
            PostgresLedger::open(&database.url, database.schema.as_str()).await.expect("opens");
        let mut other = ledger.db.connect(Planning::ByCost).await.expect("connects");
        let open = other.transaction().await.expect("begins");
        let insert =
            "INSERT INTO settlement (run, first_ordinal, last_ordinal, at) VALUES (1, 7, 7, 0)";
        open.batch_execute(insert).await.expect("a settlement that is on its way");

        conformance::feed::record_one(&ledger).await;
        let before = ledger.outcome_feed(None, 10).await.expect("reads");
        assert_eq!(before.outcomes.len(), 0);
        open.commit().await.expect("commits");
        conformance::feed::read_until(&ledger, &before.next, 1).await;
    }
}
