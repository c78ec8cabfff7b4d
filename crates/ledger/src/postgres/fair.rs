//! Members who wait for their turns, on PostgreSQL (D7).

use async_trait::async_trait;
use cohort_database::Transaction;

use super::members::{Advanced, advance_cursor};
use super::named::{execute, named, query_one};
use super::{PostgresLedger, news, tenants};
use crate::fair::{FairLedger, MembersQueued, by_value};
use crate::json::to_json;
use crate::rows::micros;
use crate::states::{CLAIMABLE_BY_TURN, READY};
use crate::{LedgerError, OpenMember};

#[async_trait]
impl FairLedger for PostgresLedger {
    async fn queue_members(&self, page: MembersQueued<'_>) -> Result<bool, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let is_ours = queue_members(&tx, &page).await?;
        news::tell(&tx, self.db.schema(), is_ours.then_some(page.read.run.id)).await?;
        tx.commit().await?;
        Ok(is_ours)
    }
}

/// A chunk to insert: members of one value, and their turn.
struct QueuedChunk {
    open: Vec<OpenMember>,
    turn: i64,
}

async fn queue_members(
    tx: &Transaction<'_>,
    page: &MembersQueued<'_>,
) -> Result<bool, LedgerError> {
    let Some(advanced) = advance_cursor(tx, 0, &page.read).await? else {
        return Ok(false);
    };
    let members: Vec<_> = page.read.members.iter().map(|(number, name)| (*number, name)).collect();
    tenants::note_names(tx, &members, page.read.claim.at).await?;
    let front = front(tx, &advanced).await?;
    let mut by_value = by_value(&page.read.members, &page.values);
    // Values are locked in one order, so that two agents never wait for each other.
    by_value.sort_unstable_by_key(|(value, _)| *value);
    let mut ordinal = advanced.first_ordinal;
    let mut waiting = Vec::new();
    for (value, members) in by_value {
        let chunks = members.chunks(page.read.chunk_size);
        let first_turn = take_turns(tx, &advanced, value, chunks.len() as i64, front).await?;
        for (turn, members) in (first_turn..).zip(chunks) {
            let numbers: Vec<u64> = members.iter().map(|(number, _)| *number).collect();
            waiting.push(QueuedChunk { open: OpenMember::in_order(ordinal, &numbers), turn });
            ordinal += members.len() as u64;
        }
    }
    insert_waiting(tx, &advanced, &waiting).await?;
    Ok(true)
}

/// The turn before that of the chunk at the front of the lane; if no chunk waits, the last turn
/// that was given.
async fn front(tx: &Transaction<'_>, lane: &Advanced<'_>) -> Result<i64, LedgerError> {
    let sql = format!(
        "SELECT coalesce(
             (
                 SELECT min(turn) - 1
                 FROM chunk
                 WHERE {CLAIMABLE_BY_TURN} AND priority = :priority AND job = :job
             ),
             (SELECT max(turn) FROM fair_share WHERE priority = :priority AND job = :job),
             0
         ) AS front"
    );
    let row = query_one(tx, &sql, named! { priority: lane.priority, job: lane.job }).await?;
    Ok(row.get("front"))
}

/// Gives a value so many turns, one after the other, and returns the first of them.
async fn take_turns(
    tx: &Transaction<'_>,
    lane: &Advanced<'_>,
    value: &str,
    turns: i64,
    front: i64,
) -> Result<i64, LedgerError> {
    let row = query_one(
        tx,
        "INSERT INTO fair_share (priority, job, value, turn)
         VALUES (:priority, :job, :value, :front::bigint + :turns::bigint)
         ON CONFLICT (priority, job, value) DO UPDATE
         SET turn = greatest(fair_share.turn, :front::bigint) + :turns::bigint
         RETURNING turn - :turns::bigint + 1 AS first_turn",
        named! {
            priority: lane.priority,
            job: lane.job,
            value: value,
            front: front,
            turns: turns,
        },
    )
    .await?;
    Ok(row.get("first_turn"))
}

/// Inserts all chunks of a page by one statement.
async fn insert_waiting(
    tx: &Transaction<'_>,
    run: &Advanced<'_>,
    waiting: &[QueuedChunk],
) -> Result<(), LedgerError> {
    let column = |of: fn(&[OpenMember]) -> u64| {
        waiting.iter().map(|waiting| of(&waiting.open) as i64).collect::<Vec<_>>()
    };
    let sql = format!(
        "INSERT INTO chunk (
             run, job, priority, first_tenant, last_tenant, first_ordinal, size, open_members,
             state, ready_at, attempt, token, turn
         )
         SELECT
             :run, :job, :priority, new.first_tenant, new.last_tenant, new.first_ordinal, new.size,
             new.open_members,
             '{READY}', :ready_at, 0, 0, new.turn
         FROM unnest(
             :first_tenants::bigint[], :last_tenants::bigint[], :first_ordinals::bigint[],
             :sizes::bigint[], :open_members::text[], :turns::bigint[]
         ) WITH ORDINALITY AS new (
             first_tenant, last_tenant, first_ordinal, size, open_members, turn, place
         )
         ORDER BY new.place"
    );
    let values = named! {
        run: run.page.run.id.0,
        job: run.job,
        priority: run.priority,
        ready_at: micros(run.page.claim.at),
        first_tenants: column(|open| open[0].number),
        last_tenants: column(|open| open[open.len() - 1].number),
        first_ordinals: column(|open| open[0].ordinal),
        sizes: column(|open| open.len() as u64),
        open_members: waiting.iter().map(|waiting| to_json(&waiting.open)).collect::<Vec<_>>(),
        turns: waiting.iter().map(|waiting| waiting.turn).collect::<Vec<_>>(),
    };
    execute(tx, &sql, values).await?;
    Ok(())
}
