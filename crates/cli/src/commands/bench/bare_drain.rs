//! What a drain cannot be faster than: the same pages of members over loopback HTTP, read, and a key and a synced row for each
//! user; no scheduler, no chunks, no consent, no handler.

use std::time::{Duration, Instant};

use anyhow::Context;
use cohort_batch_agent::idempotency_key;
use cohort_preferences::{JobId, Member, MembersRequest, NominalTime};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::mpsc;

use super::stage::Stage;
use super::users;

/// Members of a page.
const PAGE: usize = 1_000;

/// Pages that wait to be written.
const PAGES_AHEAD: usize = 4;

/// Reads all members of the feature as of an instant, and writes a row for each; says how long it took.
pub(super) async fn drain(stage: &Stage, as_of: Timestamp) -> anyhow::Result<Duration> {
    let client = stage.client()?;
    let folder = tempfile::TempDir::new().context("cannot make a folder")?;
    let path = folder.path().join("bare.db");
    let groups = client.get_frequency_groups(users::FEATURE).await?.groups.into_iter().map(|group| group.group).collect::<Vec<_>>();
    let (pages, read) = mpsc::channel(PAGES_AHEAD);
    let started = Instant::now();
    let writing = tokio::task::spawn_blocking(move || write(&path, read));
    for some in groups.chunks(1_000) {
        let mut cursor = None;
        loop {
            let feature_type = users::FEATURE.parse().context("a name of ours is none")?;
            let request = MembersRequest { feature_type, groups: some.to_vec(), as_of, cursor, limit: Some(PAGE) };
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

fn write(path: &std::path::Path, mut pages: mpsc::Receiver<Vec<Member>>) -> anyhow::Result<()> {
    let mut db = Connection::open(path)?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE outcome (number INTEGER PRIMARY KEY, key TEXT)")?;
    let (job, nominal): (JobId, NominalTime) = ("bench".parse()?, "2026-12-07T09:00".parse()?);
    while let Some(members) = pages.blocking_recv() {
        let transaction = db.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO outcome (number, key) VALUES (?1, ?2)")?;
            for member in members {
                let key = idempotency_key(&job, &member.tenant_id, nominal, "UTC");
                insert.execute(params![member.number as i64, key])?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}
