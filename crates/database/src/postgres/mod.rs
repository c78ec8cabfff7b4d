//! A PostgreSQL database: a schema of ours on a server that others may use too.
//!
//! ```text
//! open     ─► lock ─► schema, record, migrations ─► unlock, so that one process at a time migrates
//! read()   ─► a connection of the pool, given back when dropped
//! connect()─► a connection of the caller's own, for its one writer
//! listen() ─► a connection that is made anew whenever it breaks
//! ```
//!
//! What may fail: the server restarts or fails over, the network parts, a peer hangs while it holds
//! a lock, the server hangs itself. Every wait therefore has a limit on our side (see [`limits`]),
//! and every session limits that the server enforces (see `address`), so that a peer that hangs
//! loses its transaction and those who wait for its lock go on. A connection that broke, or whose
//! work ran into a limit, is replaced by the next call.
//!
//! Not done here: retrying a transaction. Only the caller knows whether a commit without an answer
//! may be repeated; [`DatabaseError::is_transient`] says whether it is worth a try. Sessions are
//! ours (advisory locks, `LISTEN`, prepared statements), so a pooler between us and the server has
//! to pool sessions, not transactions.

mod address;
mod connection;
mod handle;
pub mod limits;
mod listener;
mod migrate;
mod planning;
mod pool;
mod reader;
mod room;
mod schema_name;
mod server;
pub mod statement;
pub mod table;
mod tls;
mod transfer;

pub use self::connection::{Connection, GenericClient, Transaction};
pub use self::handle::{Postgres, PostgresOptions};
pub use self::planning::Planning;
pub use self::reader::Reader;
pub use self::schema_name::SchemaName;
pub(crate) use self::transfer::{PostgresSource, PostgresTarget};
