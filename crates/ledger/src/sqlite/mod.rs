//! The ledger on SQLite: one process has the file, with one connection that writes and two that
//! read.
//!
//! A write is a transaction on the writer's thread, one after another, so that nobody else changes
//! what a function reads before it writes. Reads see the last commit and wait for nobody.

mod agents;
mod backlog;
mod claims;
mod completeness;
mod deaths;
mod definitions;
mod erasure;
mod explain;
mod fair;
mod health;
mod jobs;
mod ledger;
mod members;
mod open;
mod operations;
mod outcomes;
mod record;
mod record_outcomes;
mod repeats;
mod retention;
mod row;
mod runs;
mod status;
mod tenants;

pub use self::open::SqliteLedger;

#[cfg(test)]
mod tests {
    use super::SqliteLedger;
    use crate::conformance::{self, Handles};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite_keeps_what_a_ledger_promises() {
        for promise in conformance::all() {
            let folder = tempfile::tempdir().expect("a folder");
            let ledger =
                SqliteLedger::open(&folder.path().join("ledger.db"), false).expect("opens");
            promise(Handles { one: ledger.clone().into(), other: ledger.into() }).await;
        }
    }
}
