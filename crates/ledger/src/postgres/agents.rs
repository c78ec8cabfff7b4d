//! Agents and the time zone database, on PostgreSQL (T11).

use async_trait::async_trait;
use cohort_database::{GenericClient, Transaction};
use tokio_postgres::Row;

use super::PostgresLedger;
use super::named::{execute, named, query, query_opt};
use super::row::instant;
use crate::agents::{AgentLedger, AgentSign, GONE_LISTED, REPLANNED, SILENCE_OF_THE_GONE};
use crate::rows::micros;
use crate::{LedgerError, TzdbRelease, TzdbStanding};

#[async_trait]
impl AgentLedger for PostgresLedger {
    async fn renew_agent(&self, sign: AgentSign) -> Result<TzdbStanding, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let standing = renew_agent(&tx, &sign).await?;
        tx.commit().await?;
        Ok(standing)
    }

    async fn forget_agent(&self, agent: &str) -> Result<(), LedgerError> {
        forget_agent(&*self.connection().await?, agent).await
    }

    async fn agents(&self) -> Result<Vec<AgentSign>, LedgerError> {
        agents(&*self.connection().await?).await
    }
}

/// The row of `tzdb` is locked while an agent goes over to another release, and shared by agents
/// that open runs: no plan by the earlier release is stored after the change.
async fn renew_agent(tx: &Transaction<'_>, sign: &AgentSign) -> Result<TzdbStanding, LedgerError> {
    let insert = "INSERT INTO tzdb VALUES (1, :release) ON CONFLICT DO NOTHING";
    execute(tx, insert, named! { release: sign.tzdb.as_str() }).await?;
    let in_force = query_opt(tx, "SELECT release FROM tzdb FOR UPDATE", &[]).await?;
    let in_force = in_force.map_or_else(|| sign.tzdb.clone(), |row| read_release(&row));
    note_sign(tx, sign).await?;
    if in_force == sign.tzdb {
        Ok(TzdbStanding::InForce)
    } else if in_force > sign.tzdb {
        Ok(TzdbStanding::Outdated { in_force })
    } else if has_older_agents(tx, sign).await? {
        Ok(TzdbStanding::Waiting { in_force })
    } else {
        go_over_to(tx, sign).await?;
        Ok(TzdbStanding::InForce)
    }
}

async fn note_sign(tx: &Transaction<'_>, sign: &AgentSign) -> Result<(), LedgerError> {
    let listed_since = micros(sign.renewed_at) - GONE_LISTED.as_micros() as i64;
    let forget = "DELETE FROM agent WHERE renewed_at < :listed_since";
    execute(tx, forget, named! { listed_since: listed_since }).await?;
    execute(
        tx,
        "INSERT INTO agent (name, tzdb, version, renewed_at)
         VALUES (:name, :tzdb, :version, :renewed_at)
         ON CONFLICT (name) DO UPDATE
         SET tzdb = excluded.tzdb, version = excluded.version, renewed_at = excluded.renewed_at",
        named! {
            name: sign.agent,
            tzdb: sign.tzdb.as_str(),
            version: sign.version,
            renewed_at: micros(sign.renewed_at),
        },
    )
    .await?;
    Ok(())
}

/// The release by which agents plan, which nobody replaces before this transaction ends; `None`
/// before the first agent.
pub(super) async fn tzdb_in_force(
    tx: &Transaction<'_>,
) -> Result<Option<TzdbRelease>, LedgerError> {
    let row = query_opt(tx, "SELECT release FROM tzdb FOR SHARE", &[]).await?;
    Ok(row.as_ref().map(read_release))
}

fn read_release(row: &Row) -> TzdbRelease {
    TzdbRelease::from(row.get::<_, &str>("release"))
}

/// Whether an agent with an older release has renewed lately. An agent that did so long after now
/// did it by a clock that was set back since (F2).
async fn has_older_agents(tx: &Transaction<'_>, sign: &AgentSign) -> Result<bool, LedgerError> {
    let older = query_opt(
        tx,
        "SELECT FROM agent WHERE tzdb < :tzdb AND abs(renewed_at - :now) <= :silence LIMIT 1",
        named! {
            tzdb: sign.tzdb.as_str(),
            now: micros(sign.renewed_at),
            silence: SILENCE_OF_THE_GONE.as_micros() as i64,
        },
    )
    .await?;
    Ok(older.is_some())
}

/// Goes by the agent's release from now on. Whatever it names differently is planned anew, but
/// nothing from before a job began or was resumed (F1).
async fn go_over_to(tx: &Transaction<'_>, sign: &AgentSign) -> Result<(), LedgerError> {
    let update = "UPDATE tzdb SET release = :release";
    execute(tx, update, named! { release: sign.tzdb.as_str() }).await?;
    execute(
        tx,
        "UPDATE job
         SET replan_from = least(mark, greatest(began, coalesce(resumed_at, began), :from))
         FROM (SELECT id FROM job ORDER BY job_id FOR UPDATE) held
         WHERE held.id = job.id",
        named! { from: micros(sign.renewed_at) - REPLANNED.as_micros() as i64 },
    )
    .await?;
    Ok(())
}

async fn forget_agent(db: &impl GenericClient, agent: &str) -> Result<(), LedgerError> {
    execute(db, "DELETE FROM agent WHERE name = :name", named! { name: agent }).await?;
    Ok(())
}

async fn agents(db: &impl GenericClient) -> Result<Vec<AgentSign>, LedgerError> {
    let rows =
        query(db, "SELECT name, tzdb, version, renewed_at FROM agent ORDER BY name", &[]).await?;
    let sign = |row: &Row| {
        Ok(AgentSign {
            agent: row.get("name"),
            tzdb: TzdbRelease::from(row.get::<_, &str>("tzdb")),
            version: row.get("version"),
            renewed_at: instant(row, "renewed_at")?,
        })
    };
    rows.iter().map(sign).collect()
}
