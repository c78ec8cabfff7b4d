//! The one connection with which a process writes.

use std::sync::Arc;
use std::time::Duration;

use cohort_database::{Connection, Planning, limits};

use super::process::Process;
use super::writer::Writer;
use crate::error::Result;

/// The connection that writes. It is made when it is first needed, and again after it has broken.
pub(super) struct Session {
    process: Arc<Process>,
    connection: Option<Connection>,
}

impl Session {
    /// No connection yet.
    pub(super) fn new(process: Arc<Process>) -> Self {
        Self { process, connection: None }
    }

    /// Begins a transaction as soon as no other process holds `head`; dropping it rolls it back. A
    /// connection that has broken is replaced here, without a second attempt: who asks again tries
    /// again.
    pub(super) async fn begin(&mut self) -> Result<Writer<'_>> {
        self.begin_within(limits::INTERACTIVE).await
    }

    /// The same, for a transaction that may take so long.
    pub(super) async fn begin_within(&mut self, limit: Duration) -> Result<Writer<'_>> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.process.db.connect(Planning::ByKeys).await?,
        };
        let connection = self.connection.insert(connection);
        connection.set_limit(limit);
        Writer::begin(connection.transaction().await?, &self.process).await
    }
}
