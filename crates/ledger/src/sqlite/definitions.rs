//! Jobs and purposes, on SQLite.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde_json::Value;

use super::SqliteLedger;
use super::row::{
    from_json, from_json_or_none, from_name, instant, instant_or_none, number, parsed,
};
use crate::LedgerError;
use crate::definitions::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, Pause, StartedWith,
    StoredDefinitions,
};
use crate::json::to_json;
use crate::rows::micros;

#[async_trait]
impl DefinitionLedger for SqliteLedger {
    async fn definition_revision(&self) -> Result<u64, LedgerError> {
        self.db.read(definition_revision).await
    }

    async fn definitions(&self) -> Result<StoredDefinitions, LedgerError> {
        self.db.read(definitions).await
    }

    async fn definition_versions(
        &self,
        kind: DefinitionKind,
        name: &str,
    ) -> Result<Vec<Definition>, LedgerError> {
        let name = name.to_owned();
        self.db.read(move |tx| definition_versions(tx, kind, &name)).await
    }

    async fn store_definitions(&self, edit: DefinitionEdit) -> Result<(), LedgerError> {
        self.db.write(move |tx| store_definitions(tx, &edit)).await
    }

    async fn started_with(&self, agent: &str) -> Result<Option<Value>, LedgerError> {
        let agent = agent.to_owned();
        self.db.read(move |tx| started_with(tx, &agent)).await
    }

    async fn pause_job(&self, job: &JobId, now: Timestamp) -> Result<bool, LedgerError> {
        let job = job.clone();
        self.db.write(move |tx| pause_job(tx, &job, now)).await
    }

    async fn resume_job(&self, job: &JobId, now: Timestamp) -> Result<bool, LedgerError> {
        let job = job.clone();
        self.db.write(move |tx| resume_job(tx, &job, now)).await
    }
}

/// Versions of definitions, with the columns that [`read_definition`] reads.
const SELECT_DEFINITION: &str = "SELECT kind, name, version, document, applied_at, applied_by
    FROM definition d";

fn definition_revision(tx: &Connection) -> Result<u64, LedgerError> {
    let revision = tx
        .prepare_cached("SELECT revision FROM definition_revision")?
        .query_row([], |row| number(row, "revision"))?;
    Ok(revision)
}

fn definitions(tx: &Connection) -> Result<StoredDefinitions, LedgerError> {
    let mut statement = tx.prepare_cached(&format!(
        "{SELECT_DEFINITION}
         WHERE version = (
             SELECT max(version) FROM definition l WHERE l.kind = d.kind AND l.name = d.name
         )
         ORDER BY kind, name"
    ))?;
    let latest = statement.query_map([], read_definition)?.collect::<Result<_, _>>()?;
    Ok(StoredDefinitions { revision: definition_revision(tx)?, latest, pauses: pauses(tx)? })
}

fn pauses(tx: &Connection) -> Result<BTreeMap<JobId, Pause>, LedgerError> {
    let mut statement = tx.prepare_cached(
        "SELECT job_id, paused_at, resumed_at FROM job WHERE paused_at IS NOT NULL",
    )?;
    let pauses = statement.query_map([], |row| {
        let pause =
            Pause { from: instant(row, "paused_at")?, until: instant_or_none(row, "resumed_at")? };
        Ok((parsed(row, "job_id")?, pause))
    })?;
    Ok(pauses.collect::<Result<_, _>>()?)
}

fn definition_versions(
    tx: &Connection,
    kind: DefinitionKind,
    name: &str,
) -> Result<Vec<Definition>, LedgerError> {
    let mut statement = tx.prepare_cached(&format!(
        "{SELECT_DEFINITION}
         WHERE kind = ?1 AND name = ?2
         ORDER BY version"
    ))?;
    let versions = statement.query_map(params![kind.as_str(), name], read_definition)?;
    Ok(versions.collect::<Result<_, _>>()?)
}

fn store_definitions(tx: &Connection, edit: &DefinitionEdit) -> Result<(), LedgerError> {
    if definition_revision(tx)? != edit.based_on {
        return Err(LedgerError::RevisionMoved);
    }
    for (alteration, definition) in &edit.versions {
        insert_definition(tx, definition)?;
        if (definition.kind, *alteration) == (DefinitionKind::Job, Alteration::Created) {
            start_job(tx, &definition.name, definition.applied_at)?;
        }
    }
    if let Some(start) = &edit.start {
        note_start(tx, start)?;
    }
    if edit.versions.is_empty() { Ok(()) } else { raise_revision(tx) }
}

fn insert_definition(tx: &Connection, definition: &Definition) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "INSERT INTO definition (kind, name, version, document, applied_at, applied_by)
         VALUES (:kind, :name, :version, :document, :applied_at, :applied_by)",
    )?
    .execute(named_params! {
        ":kind": definition.kind.as_str(),
        ":name": definition.name,
        ":version": definition.version,
        ":document": definition.document.as_ref().map(to_json),
        ":applied_at": micros(definition.applied_at),
        ":applied_by": definition.applied_by,
    })?;
    Ok(())
}

/// Starts a job that is new, or comes back: it has nothing to catch up on (F1).
fn start_job(tx: &Connection, job: &str, at: Timestamp) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "INSERT INTO job (job_id, began, mark, known_until)
         VALUES (?1, ?2, ?2, ?2)
         ON CONFLICT (job_id) DO UPDATE
         SET began = ?2,
             mark = max(mark, ?2),
             known_until = max(known_until, ?2),
             replan_from = NULL,
             paused_at = NULL,
             resumed_at = NULL,
             stopped_at = NULL",
    )?
    .execute(params![job, micros(at)])?;
    Ok(())
}

fn note_start(tx: &Connection, start: &StartedWith) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "INSERT INTO agent_start (agent, documents)
         VALUES (?1, ?2)
         ON CONFLICT (agent) DO UPDATE
         SET documents = excluded.documents",
    )?
    .execute(params![start.agent, start.documents.to_string()])?;
    Ok(())
}

fn started_with(tx: &Connection, agent: &str) -> Result<Option<Value>, LedgerError> {
    let mut statement = tx.prepare_cached("SELECT documents FROM agent_start WHERE agent = ?1")?;
    Ok(statement.query_row([agent], |row| from_json(row, "documents")).optional()?)
}

fn pause_job(tx: &Connection, job: &JobId, now: Timestamp) -> Result<bool, LedgerError> {
    let paused = tx
        .prepare_cached(
            "UPDATE job
             SET paused_at = ?2, resumed_at = NULL, stopped_at = NULL
             WHERE job_id = ?1 AND (paused_at IS NULL OR resumed_at IS NOT NULL)",
        )?
        .execute(params![job.as_str(), micros(now)])?;
    if paused == 1 { raise_revision(tx).map(|()| true) } else { Ok(false) }
}

/// Pauses these jobs, whose open work ends with it (D14).
pub(super) fn stop_jobs(
    tx: &Connection,
    jobs: &[JobId],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let mut stop = tx.prepare_cached(
        "UPDATE job
         SET paused_at = iif(paused_at IS NULL OR resumed_at IS NOT NULL, ?2, paused_at),
             resumed_at = NULL,
             stopped_at = ?2
         WHERE job_id = ?1",
    )?;
    for job in jobs {
        stop.execute(params![job.as_str(), micros(now)])?;
    }
    if jobs.is_empty() { Ok(()) } else { raise_revision(tx) }
}

fn resume_job(tx: &Connection, job: &JobId, now: Timestamp) -> Result<bool, LedgerError> {
    let resumed = tx
        .prepare_cached(
            "UPDATE job
             SET resumed_at = ?2
             WHERE job_id = ?1 AND paused_at IS NOT NULL AND resumed_at IS NULL",
        )?
        .execute(params![job.as_str(), micros(now)])?;
    if resumed == 1 { raise_revision(tx).map(|()| true) } else { Ok(false) }
}

fn raise_revision(tx: &Connection) -> Result<(), LedgerError> {
    tx.prepare_cached("UPDATE definition_revision SET revision = revision + 1")?.execute([])?;
    Ok(())
}

fn read_definition(row: &Row<'_>) -> rusqlite::Result<Definition> {
    Ok(Definition {
        kind: from_name(row, "kind", DefinitionKind::from_name)?,
        name: row.get("name")?,
        version: row.get("version")?,
        document: from_json_or_none(row, "document")?,
        applied_at: instant(row, "applied_at")?,
        applied_by: row.get("applied_by")?,
    })
}
