//! Jobs and purposes on PostgreSQL. Whoever changes one holds the row of the revision first, and
//! then rows of jobs by name.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cohort_database::statement::{execute, query, query_one, query_opt};
use cohort_database::{GenericClient, Transaction};
use cohort_preferences::JobId;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;

use super::{
    LedgerError, PostgresLedger, from_json, instant, instant_or_none, micros, parsed, to_json,
    unreadable,
};
use crate::definitions::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, Pause, StartedWith,
    StoredDefinitions,
};

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

/// The columns that `read_definition` reads, in its order.
const DEFINITION: &str =
    "SELECT kind, name, version, document, applied_at, applied_by FROM definition d";

async fn definition_revision(db: &impl GenericClient) -> Result<u64, LedgerError> {
    Ok(query_one(db, "SELECT revision FROM definition_revision", &[]).await?.get::<_, i64>(0)
        as u64)
}

async fn definitions(tx: &Transaction<'_>) -> Result<StoredDefinitions, LedgerError> {
    let latest =
        "(SELECT max(version) FROM definition l WHERE l.kind = d.kind AND l.name = d.name)";
    let rows =
        query(tx, &format!("{DEFINITION} WHERE version = {latest} ORDER BY kind, name"), &[])
            .await?;
    let latest = rows.iter().map(read_definition).collect::<Result<_, _>>()?;
    Ok(StoredDefinitions {
        revision: definition_revision(tx).await?,
        latest,
        pauses: pauses(tx).await?,
    })
}

async fn pauses(tx: &Transaction<'_>) -> Result<BTreeMap<JobId, Pause>, LedgerError> {
    let rows =
        query(tx, "SELECT job_id, paused_at, resumed_at FROM job WHERE paused_at IS NOT NULL", &[])
            .await?;
    rows.iter()
        .map(|row| {
            Ok((
                parsed(row, 0)?,
                Pause { from: instant(row.get(1))?, until: instant_or_none(row.get(2))? },
            ))
        })
        .collect()
}

async fn definition_versions(
    db: &impl GenericClient,
    kind: DefinitionKind,
    name: &str,
) -> Result<Vec<Definition>, LedgerError> {
    let rows = query(
        db,
        &format!("{DEFINITION} WHERE kind = $1 AND name = $2 ORDER BY version"),
        &[&kind.as_str(), &name],
    )
    .await?;
    rows.iter().map(read_definition).collect()
}

async fn store_definitions(tx: &Transaction<'_>, edit: &DefinitionEdit) -> Result<(), LedgerError> {
    if hold_revision(tx).await? != edit.based_on {
        return Err(LedgerError::RevisionMoved);
    }
    hold_jobs(tx, edit).await?;
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
async fn hold_revision(tx: &Transaction<'_>) -> Result<u64, LedgerError> {
    Ok(query_one(tx, "SELECT revision FROM definition_revision FOR UPDATE", &[])
        .await?
        .get::<_, i64>(0) as u64)
}

async fn hold_jobs(tx: &Transaction<'_>, edit: &DefinitionEdit) -> Result<(), LedgerError> {
    let jobs = edit
        .versions
        .iter()
        .map(|(_, definition)| definition)
        .filter(|definition| definition.kind == DefinitionKind::Job);
    let jobs: Vec<&str> = jobs.map(|definition| &*definition.name).collect();
    execute(tx, "SELECT FROM job WHERE job_id = ANY($1) ORDER BY job_id FOR UPDATE", &[&jobs])
        .await?;
    Ok(())
}

async fn insert_definition(
    tx: &Transaction<'_>,
    definition: &Definition,
) -> Result<(), LedgerError> {
    execute(
        tx,
        "INSERT INTO definition (kind, name, version, document, applied_at, applied_by) VALUES \
         ($1, $2, $3, $4, $5, $6)",
        &[
            &definition.kind.as_str(),
            &definition.name,
            &(definition.version as i32),
            &definition.document.as_ref().map(to_json),
            &micros(definition.applied_at),
            &definition.applied_by,
        ],
    )
    .await?;
    Ok(())
}

/// A job that is new, or comes back, has nothing to catch up on (F1).
async fn start_job(tx: &Transaction<'_>, job: &str, at: Timestamp) -> Result<(), LedgerError> {
    execute(
        tx,
        "INSERT INTO job (job_id, began, mark, known_until) VALUES ($1, $2, $2, $2)
         ON CONFLICT (job_id) DO UPDATE SET began = $2, mark = greatest(job.mark, $2), known_until \
         = greatest(job.known_until, $2),
                                            replan_from = NULL, paused_at = NULL, resumed_at = \
                                            NULL",
        &[&job, &micros(at)],
    )
    .await?;
    Ok(())
}

async fn note_start(tx: &Transaction<'_>, start: &StartedWith) -> Result<(), LedgerError> {
    execute(
        tx,
        "INSERT INTO agent_start (agent, documents) VALUES ($1, $2) ON CONFLICT (agent) DO UPDATE \
         SET documents = excluded.documents",
        &[&start.agent, &start.documents.to_string()],
    )
    .await?;
    Ok(())
}

async fn started_with(db: &impl GenericClient, agent: &str) -> Result<Option<Value>, LedgerError> {
    let row =
        query_opt(db, "SELECT documents FROM agent_start WHERE agent = $1", &[&agent]).await?;
    row.map(|row| from_json(&row, 0)).transpose()
}

async fn pause_job(tx: &Transaction<'_>, job: &JobId, now: Timestamp) -> Result<bool, LedgerError> {
    hold_revision(tx).await?;
    let pause = "UPDATE job SET paused_at = $2, resumed_at = NULL WHERE job_id = $1 AND (paused_at \
        IS NULL OR resumed_at IS NOT NULL)";
    let paused = execute(tx, pause, &[&job.as_str(), &micros(now)]).await?;
    if paused == 1 { raise_revision(tx).await.map(|()| true) } else { Ok(false) }
}

async fn resume_job(
    tx: &Transaction<'_>,
    job: &JobId,
    now: Timestamp,
) -> Result<bool, LedgerError> {
    hold_revision(tx).await?;
    let resume = "UPDATE job SET resumed_at = $2 WHERE job_id = $1 AND paused_at IS NOT NULL AND \
        resumed_at IS NULL";
    let resumed = execute(tx, resume, &[&job.as_str(), &micros(now)]).await?;
    if resumed == 1 { raise_revision(tx).await.map(|()| true) } else { Ok(false) }
}

async fn raise_revision(tx: &Transaction<'_>) -> Result<(), LedgerError> {
    execute(tx, "UPDATE definition_revision SET revision = revision + 1", &[]).await?;
    Ok(())
}

fn read_definition(row: &Row) -> Result<Definition, LedgerError> {
    let document: Option<&str> = row.get(3);
    Ok(Definition {
        kind: DefinitionKind::from_name(row.get(0))
            .ok_or_else(|| unreadable(row, 0, "no kind of definition"))?,
        name: row.get(1),
        version: row.get::<_, i32>(2) as u32,
        document: document
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| unreadable(row, 3, error))?,
        applied_at: instant(row.get(4))?,
        applied_by: row.get(5),
    })
}
