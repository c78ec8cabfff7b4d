//! How the server plans statements.

use super::connection::Connection;
use super::statement::execute_all;
use crate::error::DatabaseError;

/// How the server plans statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planning {
    /// As it sees fit.
    ByCost,
    /// What is read or written is found by its keys. A server that plans when tables are small, or
    /// does not know how large they have become, would read them through.
    ByKeys,
}

const BY_KEYS: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off";

impl Planning {
    pub(super) async fn tell(self, session: &Connection) -> Result<(), DatabaseError> {
        match self {
            Self::ByCost => Ok(()),
            Self::ByKeys => execute_all(session, BY_KEYS).await,
        }
    }
}
