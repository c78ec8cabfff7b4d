//! What the service needs of a database, and the two that provide it: SQLite and PostgreSQL.
//!
//! A store keeps five promises, which [`conformance`] checks on both:
//!
//! * An edit is one transaction: state, group rows and change rows are all there or none.
//! * Stamps grow strictly for each preference, and what is read as of an instant never changes
//!   afterwards (M1).
//! * A group's count as of an instant is kept apart from the list of its members (M8).
//! * The feed holds every committed change once, in commit order, and says until when it is
//!   complete (F7).
//! * The time comes from the clock that is passed in, never from the host's.
//!
//! What a write means is decided in [`plan`], on values, for both databases alike: a store reads
//! what the plan needs and writes the rows that it makes.

mod columns;
#[cfg(test)]
pub(crate) mod conformance;
mod drift;
pub(crate) mod edit;
mod identity;
mod interface;
pub(crate) mod list;
mod names;
pub(crate) mod plan;
pub(crate) mod postgres;
pub(crate) mod settled;
pub(crate) mod sqlite;

pub(crate) use self::interface::Store;
