//! The store on SQLite: one writer thread, a few readers, instants as microseconds.
//!
//! The writer takes its stamp inside the transaction and transactions end in stamp order, so the id
//! of a change row alone is the feed's cursor. `names` keeps what never changes once committed:
//! numbers of features and groups.

mod copy;
mod definitions;
mod drift;
mod edit;
mod erase;
mod feed;
mod forget;
mod groups;
mod history;
mod keys;
mod members;
mod names;
mod open;
mod preferences;
mod row;
mod rows;
mod stamps;
mod store;
mod tenant;
mod tenants;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

pub(crate) use self::copy::FINISH_COPY;
pub(crate) use self::open::{SqliteStore, migrations};
