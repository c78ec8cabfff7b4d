//! Work whose holder has died, on PostgreSQL (D5).

use async_trait::async_trait;
use cohort_database::statement::{execute, query};
use cohort_database::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::settle::settle_chunks;
use super::{PostgresLedger, micros, news, to_json};
use crate::deaths::RescueLedger;
use crate::{Chunk, ChunkResult, LedgerError, OpenMember, RunId};

#[async_trait]
impl RescueLedger for PostgresLedger {
    async fn rescue_chunks(&self, now: Timestamp) -> Result<usize, LedgerError> {
        let connection = self.connection().await?;
        let rescued = rescue_chunks(&*connection, now).await?;
        news::tell(&*connection, self.db.schema(), rescued.first().copied()).await?;
        Ok(rescued.len())
    }

    async fn take_back_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
        let connection = self.connection().await?;
        let taken = take_back_chunks(&*connection, holder, now).await?;
        news::tell(&*connection, self.db.schema(), taken.first().copied()).await?;
        Ok(taken.len())
    }

    async fn split_chunk(&self, chunk: &Chunk, now: Timestamp) -> Result<(), LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        split_chunk(&tx, chunk, now).await?;
        news::tell(&tx, self.db.schema(), Some(chunk.run)).await?;
        Ok(tx.commit().await?)
    }
}

/// The runs of the chunks that were rescued, one for each. Passes over a chunk that is just being
/// recorded or renewed.
async fn rescue_chunks(db: &impl GenericClient, now: Timestamp) -> Result<Vec<RunId>, LedgerError> {
    let rows = query(
        db,
        "UPDATE chunk SET state = 'ready', holder = NULL, lease_until = NULL, deaths = deaths + 1 \
         WHERE id IN (
             SELECT id FROM chunk WHERE state = 'claimed' AND lease_until < $1 FOR UPDATE SKIP \
             LOCKED) RETURNING run",
        &[&micros(now)],
    )
    .await?;
    Ok(runs_of(&rows))
}

/// The runs of the chunks that were taken back, one for each.
async fn take_back_chunks(
    db: &impl GenericClient,
    holder: &str,
    now: Timestamp,
) -> Result<Vec<RunId>, LedgerError> {
    let rows = query(
        db,
        "UPDATE chunk SET state = 'ready', holder = NULL, lease_until = NULL, ready_at = \
         least(ready_at, $2), deaths = deaths + 1
         FROM (SELECT id FROM chunk WHERE state = 'claimed' AND holder = $1 ORDER BY id FOR \
         UPDATE) held
         WHERE held.id = chunk.id AND state = 'claimed' AND holder = $1 RETURNING run",
        &[&holder, &micros(now)],
    )
    .await?;
    Ok(runs_of(&rows))
}

/// The runs that rows begin with.
pub(super) fn runs_of(rows: &[Row]) -> Vec<RunId> {
    rows.iter().map(|row| RunId(row.get(0))).collect()
}

async fn split_chunk(
    tx: &Transaction<'_>,
    chunk: &Chunk,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let (id, run, token, attempts) = (chunk.id, chunk.run, chunk.token, chunk.attempts);
    let done = ChunkResult {
        chunk: id,
        run,
        token,
        attempts,
        outcomes: Vec::new(),
        rest: None,
        retried: Vec::new(),
        at: now,
    };
    if settle_chunks(tx, std::slice::from_ref(&done)).await? != [true] {
        return Err(LedgerError::LostClaim { chunk: id });
    }
    insert_splits(tx, chunk, now).await
}

/// Chunks of one member, in the lane of the chunk that they were in.
async fn insert_splits(
    tx: &Transaction<'_>,
    chunk: &Chunk,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let numbers: Vec<i64> = chunk.open.iter().map(|member| member.number as i64).collect();
    let ordinals: Vec<i64> = chunk.open.iter().map(|member| member.ordinal as i64).collect();
    let alone = |member: &OpenMember| to_json(std::slice::from_ref(member));
    let open: Vec<String> = chunk.open.iter().map(alone).collect();
    execute(
        tx,
        "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, priority, \
         job, ready_at, open_members, attempt, token, split_from)
         SELECT run, member.number, member.number, member.ordinal, 1, 'ready', priority, job, $5, \
         member.open, attempt, 0, $6
         FROM chunk CROSS JOIN unnest($2::bigint[], $3::bigint[], $4::text[]) AS member (number, \
         ordinal, open) WHERE chunk.id = $1
         ORDER BY member.ordinal",
        &[&chunk.id, &numbers, &ordinals, &open, &micros(now), &chunk.first_made_as()],
    )
    .await?;
    Ok(())
}
