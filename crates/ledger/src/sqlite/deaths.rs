//! Work whose holder has died, on SQLite (D5).

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, named_params, params};

use super::SqliteLedger;
use super::record_outcomes::end_claim;
use crate::deaths::RescueLedger;
use crate::json::to_json;
use crate::rows::micros;
use crate::states::{CLAIMED, FREE_CHUNK, READY};
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
    let rescue = format!(
        "UPDATE chunk
         SET {FREE_CHUNK}, deaths = deaths + 1
         WHERE state = '{CLAIMED}' AND lease_until < ?1"
    );
    Ok(tx.prepare_cached(&rescue)?.execute([micros(now)])?)
}

fn take_back_chunks(tx: &Connection, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
    let take_back = format!(
        "UPDATE chunk
         SET {FREE_CHUNK}, ready_at = min(ready_at, ?2), deaths = deaths + 1
         WHERE state = '{CLAIMED}' AND holder = ?1"
    );
    Ok(tx.prepare_cached(&take_back)?.execute(params![holder, micros(now)])?)
}

fn split_chunk(tx: &Connection, chunk: &Chunk, now: Timestamp) -> Result<(), LedgerError> {
    end_claim(tx, &ChunkResult::split(chunk, now))?;
    chunk.open.iter().try_for_each(|member| insert_split(tx, chunk, member, now))
}

/// Makes a chunk of one member, in the lane of the chunk that the member was in.
fn insert_split(
    tx: &Connection,
    chunk: &Chunk,
    member: &OpenMember,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let sql = format!(
        "INSERT INTO chunk (
             run, job, priority, first_tenant, last_tenant, first_ordinal, size, open_members,
             state, ready_at, attempt, token, split_from
         )
         SELECT
             run, job, priority, :tenant, :tenant, :ordinal, 1, :open_members,
             '{READY}', :now, attempt, 0, :split_from
         FROM chunk
         WHERE id = :chunk"
    );
    tx.prepare_cached(&sql)?.execute(named_params! {
        ":chunk": chunk.id,
        ":tenant": member.number as i64,
        ":ordinal": member.ordinal as i64,
        ":open_members": to_json(&[member]),
        ":now": micros(now),
        ":split_from": chunk.first_made_as(),
    })?;
    Ok(())
}
