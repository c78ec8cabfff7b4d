//! Wakes the other agents of a ledger when there is something to do (F9).
//!
//! A notification names a run and nothing else: an agent that hears it looks into the ledger. If
//! one is lost, the work waits until the next sweep finds it.

use cohort_database::{DatabaseError, GenericClient, SchemaName};

use super::named::{execute, named};
use crate::RunId;

/// The channel on which a ledger sends its notifications.
pub(super) fn channel(schema: &SchemaName) -> String {
    format!("cohort {schema} ledger")
}

/// Tells all agents that listen, once this transaction is committed, that a run has work for an
/// agent with free capacity. Without a run it tells nothing.
pub(super) async fn tell(
    db: &impl GenericClient,
    schema: &SchemaName,
    run: Option<RunId>,
) -> Result<(), DatabaseError> {
    if let Some(run) = run {
        let notify = "SELECT pg_notify(:channel, :run)";
        execute(db, notify, named! { channel: channel(schema), run: run.to_string() }).await?;
    }
    Ok(())
}
