//! What a drain cannot be faster than: the same pages of members over loopback HTTP, read, and a
//! key and a synced row for each user; no scheduler, no chunks, no consent, no handler.

use std::time::{Duration, Instant};

use anyhow::Context;
use cohort_batch_agent::idempotency_key;
use cohort_config_service::DatabaseAddress;
use cohort_preferences::{JobId, Member, MembersRequest, NominalTime};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::mpsc;

use super::database::connect;
use super::stage::Stage;
use super::users;

/// Members of a page.
const PAGE: usize = 1_000;

/// Pages that wait to be written.
const PAGES_AHEAD: usize = 4;

/// Reads all members of the feature as of an instant, and writes a row for each; returns how long
/// that took.
pub(super) async fn drain(stage: &Stage, as_of: Timestamp) -> anyhow::Result<Duration> {
    let client = stage.client()?;
    let groups = client
        .get_frequency_groups(users::FEATURE)
        .await?
        .groups
        .into_iter()
        .map(|group| group.group)
        .collect::<Vec<_>>();
    let (pages, read) = mpsc::channel(PAGES_AHEAD);
    let started = Instant::now();
    let writing = tokio::spawn(write(stage.scratch.address.clone(), read));
    for some in groups.chunks(1_000) {
        let mut cursor = None;
        loop {
            let feature_type = users::FEATURE.parse().context("a name of ours is none")?;
            let request = MembersRequest {
                feature_type,
                groups: some.to_vec(),
                as_of,
                cursor,
                limit: Some(PAGE),
            };
            let page = client.get_frequency_group_members(&request).await?;
            if pages.send(page.members).await.is_err() {
                break;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    drop(pages);
    writing.await.context("the bare path broke down")??;
    Ok(started.elapsed())
}

/// Writes each page as one transaction into a table of its own, on the database that the service is
/// on.
async fn write(address: DatabaseAddress, pages: mpsc::Receiver<Vec<Member>>) -> anyhow::Result<()> {
    match address {
        DatabaseAddress::Sqlite(_) => tokio::task::spawn_blocking(move || write_sqlite(pages))
            .await
            .context("the bare driver broke down")?,
        DatabaseAddress::Postgres { url, .. } => write_postgres(&url, pages).await,
    }
}

fn write_sqlite(mut pages: mpsc::Receiver<Vec<Member>>) -> anyhow::Result<()> {
    let folder = tempfile::TempDir::new().context("cannot make a folder")?;
    let mut db = Connection::open(folder.path().join("bare.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         CREATE TABLE outcome (number INTEGER PRIMARY KEY, key TEXT)",
    )?;
    while let Some(members) = pages.blocking_recv() {
        let transaction = db.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO outcome (number, key) VALUES (?1, ?2)")?;
            for (number, key) in rows(&members)? {
                insert.execute(params![number, key])?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

async fn write_postgres(url: &str, mut pages: mpsc::Receiver<Vec<Member>>) -> anyhow::Result<()> {
    let db = connect(url).await?;
    let schema = format!("cohort_bench_bare_{}", std::process::id());
    db.batch_execute(&format!(
        "CREATE SCHEMA {schema}; \
         CREATE TABLE {schema}.outcome (number BIGINT PRIMARY KEY, key TEXT)"
    ))
    .await?;
    let insert = db
        .prepare(&format!(
            "INSERT INTO {schema}.outcome SELECT * FROM unnest($1::bigint[], $2::text[])"
        ))
        .await?;
    while let Some(members) = pages.recv().await {
        let (numbers, keys): (Vec<i64>, Vec<String>) = rows(&members)?.into_iter().unzip();
        db.execute(&insert, &[&numbers, &keys]).await?;
    }
    Ok(db.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await?)
}

/// Returns the number and the key of each user.
fn rows(members: &[Member]) -> anyhow::Result<Vec<(i64, String)>> {
    let (job, nominal): (JobId, NominalTime) = ("bench".parse()?, "2026-12-07T09:00".parse()?);
    let row = |member: &Member| {
        (member.number as i64, idempotency_key(&job, &member.tenant_id, nominal, "UTC"))
    };
    Ok(members.iter().map(row).collect())
}
