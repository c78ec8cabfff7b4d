//! Jobs and purposes, on PostgreSQL. Whoever changes one locks the row of the revision first, and
//! then rows of jobs by name.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cohort_database::{GenericClient, Transaction};
use cohort_preferences::JobId;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;

use super::PostgresLedger;
use super::named::{execute, named, query, query_one, query_opt};
use super::row::{
    from_json, from_json_or_none, from_name, instant, instant_or_none, number, parsed, small_number,
};
use crate::LedgerError;
use crate::definitions::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, Pause, StartedWith,
    StoredDefinitions,
};
use crate::json::to_json;
use crate::rows::micros;

#[async_trait]
impl DefinitionLedger for PostgresLedger {
    async fn definition_revision(&self) -> Result<u64, LedgerError> {
        definition_revision(&*self.connection().await?).await
    }

    async fn definitions(&self) -> Result<StoredDefinitions, LedgerError> {
        let mut connection = self.connection().await?;
        definitions(&connection.snapshot().await?).await
    }

    async fn definition_versions(
        &self,
        kind: DefinitionKind,
        name: &str,
    ) -> Result<Vec<Definition>, LedgerError> {
        definition_versions(&*self.connection().await?, kind, name).await
    }

    async fn store_definitions(&self, edit: DefinitionEdit) -> Result<(), LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        store_definitions(&tx, &edit).await?;
        Ok(tx.commit().await?)
    }

    async fn started_with(&self, agent: &str) -> Result<Option<Value>, LedgerError> {
        started_with(&*self.connection().await?, agent).await
    }

    async fn pause_job(&self, job: &JobId, now: Timestamp) -> Result<bool, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let is_paused = pause_job(&tx, job, now).await?;
        tx.commit().await?;
        Ok(is_paused)
    }

    async fn resume_job(&self, job: &JobId, now: Timestamp) -> Result<bool, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let is_resumed = resume_job(&tx, job, now).await?;
        tx.commit().await?;
        Ok(is_resumed)
    }
}

/// Versions of definitions, with the columns that [`read_definition`] reads.
const SELECT_DEFINITION: &str = "SELECT kind, name, version, document, applied_at, applied_by
    FROM definition d";

async fn definition_revision(db: &impl GenericClient) -> Result<u64, LedgerError> {
    let row = query_one(db, "SELECT revision FROM definition_revision", &[]).await?;
    Ok(number(&row, "revision"))
}

async fn definitions(tx: &Transaction<'_>) -> Result<StoredDefinitions, LedgerError> {
    let sql = format!(
        "{SELECT_DEFINITION}
         WHERE version = (
             SELECT max(version) FROM definition l WHERE l.kind = d.kind AND l.name = d.name
         )
         ORDER BY kind, name"
    );
    let latest =
        query(tx, &sql, &[]).await?.iter().map(read_definition).collect::<Result<_, _>>()?;
    Ok(StoredDefinitions {
        revision: definition_revision(tx).await?,
        latest,
        pauses: pauses(tx).await?,
    })
}

async fn pauses(tx: &Transaction<'_>) -> Result<BTreeMap<JobId, Pause>, LedgerError> {
    let sql = "SELECT job_id, paused_at, resumed_at FROM job WHERE paused_at IS NOT NULL";
    let pause = |row: &Row| {
        let pause =
            Pause { from: instant(row, "paused_at")?, until: instant_or_none(row, "resumed_at")? };
        Ok((parsed(row, "job_id")?, pause))
    };
    query(tx, sql, &[]).await?.iter().map(pause).collect()
}

async fn definition_versions(
    db: &impl GenericClient,
    kind: DefinitionKind,
    name: &str,
) -> Result<Vec<Definition>, LedgerError> {
    let sql = format!(
        "{SELECT_DEFINITION}
         WHERE kind = :kind AND name = :name
         ORDER BY version"
    );
    let rows = query(db, &sql, named! { kind: kind.as_str(), name: name }).await?;
    rows.iter().map(read_definition).collect()
}

async fn store_definitions(tx: &Transaction<'_>, edit: &DefinitionEdit) -> Result<(), LedgerError> {
    if lock_revision(tx).await? != edit.based_on {
        return Err(LedgerError::RevisionMoved);
    }
    lock_jobs(tx, edit).await?;
    for (alteration, definition) in &edit.versions {
        insert_definition(tx, definition).await?;
        if (definition.kind, *alteration) == (DefinitionKind::Job, Alteration::Created) {
            start_job(tx, &definition.name, definition.applied_at).await?;
        }
    }
    if let Some(start) = &edit.start {
        note_start(tx, start).await?;
    }
    if edit.versions.is_empty() { Ok(()) } else { raise_revision(tx).await }
}

/// The revision, which nobody raises before this transaction ends.
async fn lock_revision(tx: &Transaction<'_>) -> Result<u64, LedgerError> {
    let row = query_one(tx, "SELECT revision FROM definition_revision FOR UPDATE", &[]).await?;
    Ok(number(&row, "revision"))
}

async fn lock_jobs(tx: &Transaction<'_>, edit: &DefinitionEdit) -> Result<(), LedgerError> {
    let jobs = edit
        .versions
        .iter()
        .map(|(_, definition)| definition)
        .filter(|definition| definition.kind == DefinitionKind::Job);
    let jobs: Vec<&str> = jobs.map(|definition| &*definition.name).collect();
    let lock = "SELECT FROM job WHERE job_id = ANY(:jobs) ORDER BY job_id FOR UPDATE";
    execute(tx, lock, named! { jobs: jobs }).await?;
    Ok(())
}

async fn insert_definition(
    tx: &Transaction<'_>,
    definition: &Definition,
) -> Result<(), LedgerError> {
    execute(
        tx,
        "INSERT INTO definition (kind, name, version, document, applied_at, applied_by)
         VALUES (:kind, :name, :version, :document, :applied_at, :applied_by)",
        named! {
            kind: definition.kind.as_str(),
            name: definition.name,
            version: definition.version as i32,
            document: definition.document.as_ref().map(to_json),
            applied_at: micros(definition.applied_at),
            applied_by: definition.applied_by,
        },
    )
    .await?;
    Ok(())
}

/// Starts a job that is new, or comes back: it has nothing to catch up on (F1).
async fn start_job(tx: &Transaction<'_>, job: &str, at: Timestamp) -> Result<(), LedgerError> {
    execute(
        tx,
        "INSERT INTO job (job_id, began, mark, known_until)
         VALUES (:job, :at, :at, :at)
         ON CONFLICT (job_id) DO UPDATE
         SET began = :at,
             mark = greatest(job.mark, :at),
             known_until = greatest(job.known_until, :at),
             replan_from = NULL,
             paused_at = NULL,
             resumed_at = NULL,
             stopped_at = NULL",
        named! { job: job, at: micros(at) },
    )
    .await?;
    Ok(())
}

async fn note_start(tx: &Transaction<'_>, start: &StartedWith) -> Result<(), LedgerError> {
    execute(
        tx,
        "INSERT INTO agent_start (agent, documents)
         VALUES (:agent, :documents)
         ON CONFLICT (agent) DO UPDATE
         SET documents = excluded.documents",
        named! { agent: start.agent, documents: start.documents.to_string() },
    )
    .await?;
    Ok(())
}

async fn started_with(db: &impl GenericClient, agent: &str) -> Result<Option<Value>, LedgerError> {
    let sql = "SELECT documents FROM agent_start WHERE agent = :agent";
    let row = query_opt(db, sql, named! { agent: agent }).await?;
    row.map(|row| from_json(&row, "documents")).transpose()
}

async fn pause_job(tx: &Transaction<'_>, job: &JobId, now: Timestamp) -> Result<bool, LedgerError> {
    lock_revision(tx).await?;
    let paused = execute(
        tx,
        "UPDATE job
         SET paused_at = :now, resumed_at = NULL, stopped_at = NULL
         WHERE job_id = :job AND (paused_at IS NULL OR resumed_at IS NOT NULL)",
        named! { job: job.as_str(), now: micros(now) },
    )
    .await?;
    if paused == 1 { raise_revision(tx).await.map(|()| true) } else { Ok(false) }
}

/// Pauses these jobs, whose open work ends with it (D14).
pub(super) async fn stop_jobs(
    tx: &Transaction<'_>,
    jobs: &[JobId],
    now: Timestamp,
) -> Result<(), LedgerError> {
    if jobs.is_empty() {
        return Ok(());
    }
    lock_revision(tx).await?;
    let jobs: Vec<&str> = jobs.iter().map(JobId::as_str).collect();
    execute(
        tx,
        "UPDATE job
         SET paused_at = CASE
                 WHEN job.paused_at IS NULL OR job.resumed_at IS NOT NULL THEN :now
                 ELSE job.paused_at
             END,
             resumed_at = NULL,
             stopped_at = :now
         FROM (SELECT id FROM job WHERE job_id = ANY(:jobs) ORDER BY id FOR UPDATE) held
         WHERE held.id = job.id",
        named! { jobs: jobs, now: micros(now) },
    )
    .await?;
    raise_revision(tx).await
}

async fn resume_job(
    tx: &Transaction<'_>,
    job: &JobId,
    now: Timestamp,
) -> Result<bool, LedgerError> {
    lock_revision(tx).await?;
    let resumed = execute(
        tx,
        "UPDATE job
         SET resumed_at = :now
         WHERE job_id = :job AND paused_at IS NOT NULL AND resumed_at IS NULL",
        named! { job: job.as_str(), now: micros(now) },
    )
    .await?;
    if resumed == 1 { raise_revision(tx).await.map(|()| true) } else { Ok(false) }
}

async fn raise_revision(tx: &Transaction<'_>) -> Result<(), LedgerError> {
    execute(tx, "UPDATE definition_revision SET revision = revision + 1", &[]).await?;
    Ok(())
}

fn read_definition(row: &Row) -> Result<Definition, LedgerError> {
    Ok(Definition {
        kind: from_name(row, "kind", DefinitionKind::from_name)?,
        name: row.get("name"),
        version: small_number(row, "version"),
        document: from_json_or_none(row, "document")?,
        applied_at: instant(row, "applied_at")?,
        applied_by: row.get("applied_by"),
    })
}
