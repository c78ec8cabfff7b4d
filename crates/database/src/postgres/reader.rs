//! A connection of the pool.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::connection::Connection;
use super::pool::Pooled;

/// A connection of the pool, to be given back soon. It derefs to the connection, for single
/// statements and short transactions.
pub struct Reader(pub(super) Pooled);

impl Reader {
    /// Lets each statement and each transaction take so long, until the connection is given back.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.0.set_limit(limit);
        self
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}
