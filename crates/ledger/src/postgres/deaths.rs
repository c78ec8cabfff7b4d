//! Work whose holder has died, on PostgreSQL (D5).

use async_trait::async_trait;
use cohort_database::{GenericClient, Transaction};
use jiff::Timestamp;

use super::named::{execute, named, query};
use super::record_outcomes::end_claims;
use super::row::runs_of;
use super::{PostgresLedger, news};
use crate::deaths::RescueLedger;
use crate::json::to_json;
use crate::rows::micros;
use crate::states::{CLAIMED, FREE_CHUNK, READY};
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
    let rescue = format!(
        "UPDATE chunk
         SET {FREE_CHUNK}, deaths = deaths + 1
         WHERE id IN (
             SELECT id
             FROM chunk
             WHERE state = '{CLAIMED}' AND lease_until < :now
             FOR UPDATE SKIP LOCKED
         )
         RETURNING run"
    );
    Ok(runs_of(&query(db, &rescue, named! { now: micros(now) }).await?))
}

/// The runs of the chunks that were taken back, one for each.
async fn take_back_chunks(
    db: &impl GenericClient,
    holder: &str,
    now: Timestamp,
) -> Result<Vec<RunId>, LedgerError> {
    let take_back = format!(
        "UPDATE chunk
         SET {FREE_CHUNK}, ready_at = least(ready_at, :now), deaths = deaths + 1
         FROM (
             SELECT id
             FROM chunk
             WHERE state = '{CLAIMED}' AND holder = :holder
             ORDER BY id
             FOR UPDATE
         ) held
         WHERE held.id = chunk.id AND state = '{CLAIMED}' AND holder = :holder
         RETURNING run"
    );
    Ok(runs_of(&query(db, &take_back, named! { holder: holder, now: micros(now) }).await?))
}

async fn split_chunk(
    tx: &Transaction<'_>,
    chunk: &Chunk,
    now: Timestamp,
) -> Result<(), LedgerError> {
    if end_claims(tx, &[ChunkResult::split(chunk, now)]).await? != [true] {
        return Err(LedgerError::LostClaim { chunk: chunk.id });
    }
    insert_splits(tx, chunk, now).await
}

/// Makes chunks of one member each, in the lane of the chunk that the members were in.
async fn insert_splits(
    tx: &Transaction<'_>,
    chunk: &Chunk,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let alone = |member: &OpenMember| to_json(std::slice::from_ref(member));
    let sql = format!(
        "INSERT INTO chunk (
             run, job, priority, first_tenant, last_tenant, first_ordinal, size, open_members,
             state, ready_at, attempt, token, split_from
         )
         SELECT
             run, job, priority, member.tenant, member.tenant, member.ordinal, 1,
             member.open_members,
             '{READY}', :now, attempt, 0, :split_from
         FROM chunk
         CROSS JOIN unnest(:tenants::bigint[], :ordinals::bigint[], :open_members::text[])
             AS member (tenant, ordinal, open_members)
         WHERE chunk.id = :chunk
         ORDER BY member.ordinal"
    );
    let values = named! {
        chunk: chunk.id,
        tenants: chunk.open.iter().map(|member| member.number as i64).collect::<Vec<_>>(),
        ordinals: chunk.open.iter().map(|member| member.ordinal as i64).collect::<Vec<_>>(),
        open_members: chunk.open.iter().map(alone).collect::<Vec<_>>(),
        now: micros(now),
        split_from: chunk.first_made_as(),
    };
    execute(tx, &sql, values).await?;
    Ok(())
}
