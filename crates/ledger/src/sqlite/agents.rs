//! Agents and the time zone database, on SQLite (T11).

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteLedger;
use super::row::instant;
use crate::agents::{AgentLedger, AgentSign, GONE_LISTED, REPLANNED, SILENCE_OF_THE_GONE};
use crate::rows::micros;
use crate::{LedgerError, TzdbRelease, TzdbStanding};

#[async_trait]
impl AgentLedger for SqliteLedger {
    async fn renew_agent(&self, sign: AgentSign) -> Result<TzdbStanding, LedgerError> {
        self.db.write(move |tx| renew_agent(tx, &sign)).await
    }

    async fn forget_agent(&self, agent: &str) -> Result<(), LedgerError> {
        let agent = agent.to_owned();
        self.db.write(move |tx| forget_agent(tx, &agent)).await
    }

    async fn agents(&self) -> Result<Vec<AgentSign>, LedgerError> {
        self.db.read(agents).await
    }
}

fn renew_agent(tx: &Connection, sign: &AgentSign) -> Result<TzdbStanding, LedgerError> {
    note_sign(tx, sign)?;
    match tzdb_in_force(tx)? {
        Some(in_force) if in_force == sign.tzdb => Ok(TzdbStanding::InForce),
        Some(in_force) if in_force > sign.tzdb => Ok(TzdbStanding::Outdated { in_force }),
        Some(in_force) if has_older_agents(tx, sign)? => Ok(TzdbStanding::Waiting { in_force }),
        Some(_older) => {
            go_over_to(tx, sign)?;
            Ok(TzdbStanding::InForce)
        }
        None => {
            tx.prepare_cached("INSERT INTO tzdb (release) VALUES (?1)")?
                .execute([sign.tzdb.as_str()])?;
            Ok(TzdbStanding::InForce)
        }
    }
}

fn note_sign(tx: &Connection, sign: &AgentSign) -> Result<(), LedgerError> {
    let listed_since = micros(sign.renewed_at) - GONE_LISTED.as_micros() as i64;
    tx.prepare_cached("DELETE FROM agent WHERE renewed_at < ?1")?.execute([listed_since])?;
    tx.prepare_cached(
        "INSERT INTO agent (name, tzdb, version, renewed_at)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE
         SET tzdb = excluded.tzdb, version = excluded.version, renewed_at = excluded.renewed_at",
    )?
    .execute(params![
        sign.agent,
        sign.tzdb.as_str(),
        sign.version,
        micros(sign.renewed_at)
    ])?;
    Ok(())
}

/// The release by which agents plan; `None` before the first agent.
pub(super) fn tzdb_in_force(tx: &Connection) -> Result<Option<TzdbRelease>, LedgerError> {
    let release = tx
        .prepare_cached("SELECT release FROM tzdb")?
        .query_row([], |row| row.get::<_, String>("release"))
        .optional()?;
    Ok(release.as_deref().map(TzdbRelease::from))
}

/// Whether an agent with an older release has renewed lately. An agent that did so long after now
/// did it by a clock that was set back since (F2).
fn has_older_agents(tx: &Connection, sign: &AgentSign) -> Result<bool, LedgerError> {
    let silence = SILENCE_OF_THE_GONE.as_micros() as i64;
    let mut statement =
        tx.prepare_cached("SELECT 1 FROM agent WHERE tzdb < ?1 AND abs(renewed_at - ?2) <= ?3")?;
    Ok(statement.exists(params![sign.tzdb.as_str(), micros(sign.renewed_at), silence])?)
}

/// Goes by the agent's release from now on. Whatever it names differently is planned anew, but
/// nothing from before a job began or was resumed (F1).
fn go_over_to(tx: &Connection, sign: &AgentSign) -> Result<(), LedgerError> {
    tx.prepare_cached("UPDATE tzdb SET release = ?1")?.execute([sign.tzdb.as_str()])?;
    tx.prepare_cached(
        "UPDATE job
         SET replan_from = min(mark, max(began, ifnull(resumed_at, began), ?1))",
    )?
    .execute([micros(sign.renewed_at) - REPLANNED.as_micros() as i64])?;
    Ok(())
}

fn forget_agent(tx: &Connection, agent: &str) -> Result<(), LedgerError> {
    tx.prepare_cached("DELETE FROM agent WHERE name = ?1")?.execute([agent])?;
    Ok(())
}

fn agents(tx: &Connection) -> Result<Vec<AgentSign>, LedgerError> {
    let mut statement =
        tx.prepare_cached("SELECT name, tzdb, version, renewed_at FROM agent ORDER BY name")?;
    let agents = statement.query_map([], |row| {
        Ok(AgentSign {
            agent: row.get("name")?,
            tzdb: TzdbRelease::from(row.get_ref("tzdb")?.as_str()?),
            version: row.get("version")?,
            renewed_at: instant(row, "renewed_at")?,
        })
    })?;
    Ok(agents.collect::<Result<_, _>>()?)
}
