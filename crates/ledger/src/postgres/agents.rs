//! Agents and the time zone database on PostgreSQL (T11).

use async_trait::async_trait;
use cohort_database::statement::{execute, query, query_opt};
use cohort_database::{GenericClient, Transaction};

use super::{LedgerError, PostgresLedger, instant, micros};
use crate::agents::{
    AgentLedger, AgentSign, GONE_LISTED, REPLANNED, SILENCE_OF_THE_GONE, TzdbRelease, TzdbStanding,
};

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

/// Whoever adopts a release holds the row of `tzdb`, and whoever opens runs shares it: no plan by
/// the release before comes after the adoption.
async fn renew_agent(tx: &Transaction<'_>, sign: &AgentSign) -> Result<TzdbStanding, LedgerError> {
    execute(tx, "INSERT INTO tzdb VALUES (1, $1) ON CONFLICT DO NOTHING", &[&sign.tzdb.as_str()])
        .await?;
    let in_force = query_opt(tx, "SELECT release FROM tzdb FOR UPDATE", &[]).await?;
    let in_force =
        in_force.map_or_else(|| sign.tzdb.clone(), |row| TzdbRelease::from(row.get::<_, &str>(0)));
    note_sign(tx, sign).await?;
    if in_force == sign.tzdb {
        Ok(TzdbStanding::InForce)
    } else if in_force > sign.tzdb {
        Ok(TzdbStanding::Outdated { in_force })
    } else if has_older_agents(tx, sign).await? {
        Ok(TzdbStanding::Waiting { in_force })
    } else {
        adopt(tx, sign).await?;
        Ok(TzdbStanding::InForce)
    }
}

async fn note_sign(tx: &Transaction<'_>, sign: &AgentSign) -> Result<(), LedgerError> {
    let gone_before = micros(sign.renewed_at) - GONE_LISTED.as_micros() as i64;
    execute(tx, "DELETE FROM agent WHERE renewed_at < $1", &[&gone_before]).await?;
    execute(
        tx,
        "INSERT INTO agent (name, tzdb, renewed_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET tzdb = excluded.tzdb, renewed_at = excluded.renewed_at",
        &[&sign.agent, &sign.tzdb.as_str(), &micros(sign.renewed_at)],
    )
    .await?;
    Ok(())
}

/// The release by which is planned, which nobody replaces before this transaction ends; `None`
/// before the first agent.
pub(super) async fn tzdb_in_force(
    tx: &Transaction<'_>,
) -> Result<Option<TzdbRelease>, LedgerError> {
    let release = query_opt(tx, "SELECT release FROM tzdb FOR SHARE", &[]).await?;
    Ok(release.map(|row| TzdbRelease::from(row.get::<_, &str>(0))))
}

/// Whether an agent with an older release has renewed lately. One that did so long after now has
/// done it by a clock that was set back since (F2).
async fn has_older_agents(tx: &Transaction<'_>, sign: &AgentSign) -> Result<bool, LedgerError> {
    let sql = "SELECT FROM agent WHERE tzdb < $1 AND abs(renewed_at - $2) <= $3 LIMIT 1";
    let silence = SILENCE_OF_THE_GONE.as_micros() as i64;
    Ok(query_opt(tx, sql, &[&sign.tzdb.as_str(), &micros(sign.renewed_at), &silence])
        .await?
        .is_some())
}

/// Goes by another release from now on. What it names otherwise than the one before is planned
/// anew, but nothing from before a job began or was resumed (F1).
async fn adopt(tx: &Transaction<'_>, sign: &AgentSign) -> Result<(), LedgerError> {
    execute(tx, "UPDATE tzdb SET release = $1", &[&sign.tzdb.as_str()]).await?;
    let from = micros(sign.renewed_at) - REPLANNED.as_micros() as i64;
    execute(
        tx,
        "UPDATE job SET replan_from = least(mark, greatest(began, coalesce(resumed_at, began), $1))
         FROM (SELECT id FROM job ORDER BY job_id FOR UPDATE) held WHERE held.id = job.id",
        &[&from],
    )
    .await?;
    Ok(())
}

async fn forget_agent(db: &impl GenericClient, agent: &str) -> Result<(), LedgerError> {
    execute(db, "DELETE FROM agent WHERE name = $1", &[&agent]).await?;
    Ok(())
}

async fn agents(db: &impl GenericClient) -> Result<Vec<AgentSign>, LedgerError> {
    let rows = query(db, "SELECT name, tzdb, renewed_at FROM agent ORDER BY name", &[]).await?;
    let sign = |row: &tokio_postgres::Row| {
        Ok(AgentSign {
            agent: row.get(0),
            tzdb: TzdbRelease::from(row.get::<_, &str>(1)),
            renewed_at: instant(row.get(2))?,
        })
    };
    rows.iter().map(sign).collect()
}
