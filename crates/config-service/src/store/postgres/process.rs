//! What all parts of a store share in one process, and the one connection that it writes with.

use std::sync::Arc;

use cohort_database::{Connection, Postgres};
use cohort_preferences::Clock;

use super::signals::Signals;
use super::stamps::Stamps;
use super::write::Writer;
use crate::store::Result;
use crate::store::names::Names;

/// What all parts of a store share in one process.
pub(super) struct Process {
    pub(super) db: Postgres,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) names: Names,
    pub(super) stamps: Stamps,
    pub(super) signals: Signals,
}

/// The connection that writes; it is made when it is first needed and made anew when it has broken.
pub(super) struct Session {
    process: Arc<Process>,
    connection: Option<Connection>,
}

/// What is written is found by its keys. A server that plans when tables are small, or does not know how large they have
/// become, would read them through.
const BY_KEYS: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

impl Session {
    /// No connection yet.
    pub(super) fn new(process: Arc<Process>) -> Self {
        Self { process, connection: None }
    }

    /// Begins a transaction as soon as no other process holds `head`. Dropping it rolls it back. A connection that has
    /// broken is replaced here, without a second attempt: whoever asks again tries again.
    pub(super) async fn begin(&mut self) -> Result<Writer<'_>> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => connect(&self.process.db).await?,
        };
        let transaction = self.connection.insert(connection).transaction().await?;
        Writer::begin(transaction, &self.process).await
    }
}

async fn connect(db: &Postgres) -> Result<Connection> {
    let connection = db.connect().await?;
    connection.batch_execute(BY_KEYS).await?;
    Ok(connection)
}
