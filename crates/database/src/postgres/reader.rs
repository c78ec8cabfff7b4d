//! A connection of the pool.

use std::ops::{Deref, DerefMut};

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::IsolationLevel;

use crate::error::DatabaseError;

/// A connection of the pool, to be given back soon. It derefs to the client, for single statements
/// and short transactions.
pub struct Reader(pub(super) Object);

impl Reader {
    /// A transaction that sees one state of the database throughout, and refuses writes.
    pub async fn snapshot(&mut self) -> Result<Transaction<'_>, DatabaseError> {
        Ok(self
            .0
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?)
    }
}

impl Deref for Reader {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.0
    }
}
