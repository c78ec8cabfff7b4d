//! Wakes the other agents of a ledger when there is something to do (F9).
//!
//! A notification names a run and nothing else: whoever hears it looks into the ledger. One that is
//! lost costs what the sweep takes.

use cohort_database::statement::execute;
use cohort_database::{DatabaseError, GenericClient, SchemaName};

use super::RunId;

/// Where notifications of a ledger are sent.
pub(super) fn channel(schema: &SchemaName) -> String {
    format!("cohort {schema} ledger")
}

/// Tells everybody who listens, once this transaction is committed, that a run has work for whoever
/// has hands; nothing if there is none.
pub(super) async fn tell(
    db: &impl GenericClient,
    schema: &SchemaName,
    run: Option<RunId>,
) -> Result<(), DatabaseError> {
    if let Some(run) = run {
        execute(db, "SELECT pg_notify($1, $2)", &[&channel(schema), &run.to_string()]).await?;
    }
    Ok(())
}
