//! Work whose holder has died, on SQLite (D5).

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{SqliteLedger, micros, settle_chunk, to_json};
use crate::deaths::RescueLedger;
use crate::{Chunk, ChunkResult, LedgerError, OpenMember};

#[async_trait]
impl RescueLedger for SqliteLedger {
    async fn rescue_chunks(&self, now: Timestamp) -> Result<usize, LedgerError> {
        self.db.write(move |tx| rescue_chunks(tx, now)).await
    }

    async fn take_back_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
        let holder = holder.to_owned();
        self.db.write(move |tx| take_back_chunks(tx, &holder, now)).await
    }

    async fn split_chunk(&self, chunk: &Chunk, now: Timestamp) -> Result<(), LedgerError> {
        let chunk = chunk.clone();
        self.db.write(move |tx| split_chunk(tx, &chunk, now)).await
    }
}

fn rescue_chunks(tx: &Connection, now: Timestamp) -> Result<usize, LedgerError> {
    let rescued = tx
        .prepare_cached(
            "UPDATE chunk SET state = 'ready', holder = NULL, lease_until = NULL, deaths = deaths \
             + 1
             WHERE state = 'claimed' AND lease_until < ?1",
        )?
        .execute([micros(now)])?;
    Ok(rescued)
}

fn take_back_chunks(tx: &Connection, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
    let taken = tx
        .prepare_cached(
            "UPDATE chunk SET state = 'ready', holder = NULL, lease_until = NULL, ready_at = \
             min(ready_at, ?2), deaths = deaths + 1
             WHERE state = 'claimed' AND holder = ?1",
        )?
        .execute(params![holder, micros(now)])?;
    Ok(taken)
}

fn split_chunk(tx: &Connection, chunk: &Chunk, now: Timestamp) -> Result<(), LedgerError> {
    let (id, run, token, attempts) = (chunk.id, chunk.run, chunk.token, chunk.attempts);
    settle_chunk(
        tx,
        &ChunkResult {
            chunk: id,
            run,
            token,
            attempts,
            outcomes: Vec::new(),
            rest: None,
            retried: Vec::new(),
            at: now,
        },
    )?;
    chunk.open.iter().try_for_each(|member| insert_split(tx, chunk, member, now))
}

/// A chunk of one member, in the lane of the chunk that it was in.
fn insert_split(
    tx: &Connection,
    chunk: &Chunk,
    member: &OpenMember,
    now: Timestamp,
) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, priority, \
         job, ready_at, open_members, attempt, token, split_from)
         SELECT run, ?2, ?2, ?3, 1, 'ready', priority, job, ?4, ?5, attempt, 0, ?6 FROM chunk \
         WHERE id = ?1",
    )?
    .execute(params![
        chunk.id,
        member.number as i64,
        member.ordinal as i64,
        micros(now),
        to_json(&[member]),
        chunk.first_made_as()
    ])?;
    Ok(())
}
