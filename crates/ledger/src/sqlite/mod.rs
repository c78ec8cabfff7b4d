//! The ledger on SQLite: one process has the file, with one connection that writes and two that
//! read.
//!
//! A write is a transaction on the writer's thread, one after another, so that nobody else changes
//! what a function reads before it writes. Reads see the last commit and wait for nobody.

mod agents;
mod backlog;
mod claims;
mod completeness;
#[cfg(feature = "postgres")]
mod copy;
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
mod recovery;
mod repeats;
mod rerun;
mod retention;
mod row;
mod runs;
mod selection;
mod status;
mod tenants;

#[cfg(feature = "postgres")]
pub(crate) use self::copy::finish_copy;
pub use self::open::SqliteLedger;
#[cfg(feature = "postgres")]
pub(crate) use self::open::migrations;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::Connection;

    use super::SqliteLedger;
    use crate::conformance::{self, Handles, feed, health};
    use crate::{LedgerError, RecordLedger};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite_keeps_what_a_ledger_promises() {
        for promise in conformance::all() {
            let folder = tempfile::tempdir().expect("a folder");
            let ledger =
                SqliteLedger::open(&folder.path().join("ledger.db"), false).expect("opens");
            promise(Handles { one: ledger.clone().into(), other: ledger.into() }).await;
        }
    }

    #[tokio::test]
    async fn a_file_that_was_copied_back_and_grew_past_a_cursor_refuses_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |path: &Path| SqliteLedger::open(path, false).expect("opens");
        let (path, copy) = (folder.path().join("ledger.db"), folder.path().join("copy.db"));
        let ledger = open(&path);
        let start = ledger.outcome_feed(None, 10).await.expect("reads").next;
        let file = Connection::open(&path).expect("opens");
        file.execute("VACUUM INTO ?1", [copy.to_str().expect("text")]).expect("copies");
        feed::record(&ledger, 1, 1).await;
        let lost = ledger.outcome_feed(None, 10).await.expect("reads").next;

        let restored = open(&copy);
        feed::record(&restored, 2, 2).await;
        let refused = restored.outcome_feed(Some(lost), 10).await;
        assert!(matches!(refused, Err(LedgerError::CursorGone)), "{refused:?}");
        let page = restored.outcome_feed(Some(start), 10).await.expect("reads");
        assert_eq!(page.outcomes.len(), 2, "the copy has this position");
    }

    #[tokio::test]
    async fn a_planted_health_row_keeps_no_other_from_being_read_and_is_stored_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.db");
        let ledger = SqliteLedger::open(&path, false).expect("opens");
        let file = Connection::open(&path).expect("opens");
        file.execute_batch(health::PLANTED).expect("plants");
        health::is_read_and_stored_over(&ledger).await;
    }
}
