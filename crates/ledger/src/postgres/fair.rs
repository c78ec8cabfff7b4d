//! Members who wait for their turns (D7), on PostgreSQL.

use async_trait::async_trait;
use cohort_database::Transaction;
use cohort_database::statement::{execute, query_one};

use super::{Advanced, PostgresLedger, advance_cursor, erasure, micros, news};
use crate::fair::{FairLedger, MembersQueued, by_value};
use crate::json::to_json;
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

/// Members of one value, who wait together for a turn.
struct Waiting {
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
    erasure::note_names(tx, &members, page.read.claim.at).await?;
    let front = front(tx, &advanced).await?;
    let mut by_value = by_value(&page.read.members, &page.values);
    // Values are held in one order, so that two agents never wait for each other.
    by_value.sort_unstable_by_key(|(value, _)| *value);
    let mut ordinal = advanced.first_ordinal;
    let mut waiting = Vec::new();
    for (value, members) in by_value {
        let chunks = members.chunks(page.read.chunk_size);
        let first_turn = take_turns(tx, &advanced, value, chunks.len() as i64, front).await?;
        for (turn, members) in (first_turn..).zip(chunks) {
            let numbers: Vec<u64> = members.iter().map(|(number, _)| *number).collect();
            waiting.push(Waiting { open: OpenMember::in_order(ordinal, &numbers), turn });
            ordinal += members.len() as u64;
        }
    }
    insert_waiting(tx, &advanced, &waiting).await?;
    Ok(true)
}

/// The turn before that of the chunk at the front of the lane; if none waits, the last that was
/// given.
async fn front(tx: &Transaction<'_>, lane: &Advanced<'_>) -> Result<i64, LedgerError> {
    let row = query_one(
        tx,
        "SELECT coalesce((SELECT min(turn) - 1 FROM chunk WHERE state = 'ready' AND deaths = 0 AND \
         turn > 0 AND priority = $1 AND job = $2),
                         (SELECT max(turn) FROM fair_share WHERE priority = $1 AND job = $2), 0)",
        &[&lane.priority, &lane.job],
    )
    .await?;
    Ok(row.get(0))
}

/// Gives a value so many turns, one after the other, and answers the first of them.
async fn take_turns(
    tx: &Transaction<'_>,
    lane: &Advanced<'_>,
    value: &str,
    turns: i64,
    front: i64,
) -> Result<i64, LedgerError> {
    let row = query_one(
        tx,
        "INSERT INTO fair_share (priority, job, value, turn) VALUES ($1, $2, $3, $4::bigint + \
         $5::bigint)
         ON CONFLICT (priority, job, value) DO UPDATE SET turn = greatest(fair_share.turn, \
         $4::bigint) + $5::bigint RETURNING turn - $5::bigint + 1",
        &[&lane.priority, &lane.job, &value, &front, &turns],
    )
    .await?;
    Ok(row.get(0))
}

/// Puts all chunks of a page in by one statement.
async fn insert_waiting(
    tx: &Transaction<'_>,
    run: &Advanced<'_>,
    waiting: &[Waiting],
) -> Result<(), LedgerError> {
    let column = |of: fn(&[OpenMember]) -> u64| {
        waiting.iter().map(|waiting| of(&waiting.open) as i64).collect::<Vec<_>>()
    };
    let insert = "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, \
        priority, ready_at, open_members, attempt, token, job, turn)
         SELECT $1, new.first_tenant, new.last_tenant, new.first_ordinal, new.size, 'ready', $2, \
         $3, new.open_members, 0, 0, $4, new.turn
         FROM unnest($5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], \
         $10::bigint[]) WITH ORDINALITY
              AS new (first_tenant, last_tenant, first_ordinal, size, open_members, turn, place) \
              ORDER BY new.place";
    execute(
        tx,
        insert,
        &[
            &run.page.run.id.0,
            &run.priority,
            &micros(run.page.claim.at),
            &run.job,
            &column(|open| open[0].number),
            &column(|open| open[open.len() - 1].number),
            &column(|open| open[0].ordinal),
            &column(|open| open.len() as u64),
            &waiting.iter().map(|waiting| to_json(&waiting.open)).collect::<Vec<_>>(),
            &waiting.iter().map(|waiting| waiting.turn).collect::<Vec<_>>(),
        ],
    )
    .await?;
    Ok(())
}
