//! The store on PostgreSQL: one writer in each process, a pool that reads, instants as
//! microseconds.
//!
//! Whoever writes holds the row `head` until its commit, in every process. Ids of changes and
//! stamps are therefore given in commit order, and the id of a change row alone is the feed's
//! cursor, as on SQLite. Somebody else's transaction, however long, neither hides nor delays a row;
//! a writer that hangs is ended by the server.
//!
//! ```text
//! one connection   edit, import ─► queue ─┬─► session ─► head ─► rows, notification ─► commit
//!                  keys, definitions, … ──┘
//! a pool           reads ─► stamps: wait for who writes before T ─► snapshot
//! one connection   signals ◄─ notifications, and a look at head once a second
//! ```
//!
//! What may fail: a connection breaks, the server restarts. What was not answered is then an error
//! that may pass, and the next job makes the connection anew. A commit whose answer was lost is
//! such an error too, though it may have been stored: whoever repeats an edit states it once more
//! or finds its precondition gone.

mod copy;
mod definitions;
mod drift;
mod erase;
mod feed;
mod follow;
mod forget;
mod groups;
mod history;
mod keys;
mod members;
mod names;
mod open;
mod preferences;
mod process;
mod queue;
mod row;
mod rows;
mod session;
mod signals;
mod stamps;
mod store;
mod tenant;
mod tenants;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

pub(crate) use self::copy::FINISH_COPY;
pub(crate) use self::open::{PostgresStore, migrations};
