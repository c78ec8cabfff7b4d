//! The ledger on PostgreSQL: several agents work on one, each with a pool of connections and one
//! more that records.
//!
//! ```text
//! record_outcomes ─► recorder ─► all that waits, by one transaction ─► commit   one connection
//! everything else ─► one statement, or one short transaction                    a pool
//! news ◄─ LISTEN                                                                one connection
//! ```
//!
//! Each statement sees what was committed before it began, and a statement that changes a row which
//! another transaction has changed meanwhile looks at the row anew (READ COMMITTED). Elections,
//! tokens and counters are therefore conditions of the statement that writes, and nothing that was
//! read before is relied on. Rows are locked in one order, so that agents never wait in a circle:
//! the release of the time zone database, the revision, jobs by name, chunks by number, runs by
//! number, users by number.
//!
//! What may fail: the connection, the server. The caller then gets an error that may pass, and
//! tries again. Chunk results are tried again here, since a chunk that is not recorded would be
//! done twice (D2).

mod agents;
mod backlog;
mod claims;
mod completeness;
mod conditions;
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
mod named;
mod news;
mod open;
mod operations;
mod outcomes;
mod record;
mod record_outcomes;
mod recorder;
mod recovery;
mod repeats;
mod rerun;
mod retention;
mod row;
mod runs;
mod selection;
mod status;
mod tenants;

pub(crate) use self::copy::finish_copy;
pub use self::open::PostgresLedger;
pub(crate) use self::open::migrations;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cohort_database::Planning;
    use cohort_database::statement::execute_all;
    use cohort_database::testing::{TestDatabase, fresh_postgres};

    use super::PostgresLedger;
    use crate::conformance::{self, Handles, health};
    use crate::{Ledger, RecordLedger};

    /// The ledger of a process of its own.
    async fn open(database: &TestDatabase) -> Arc<dyn Ledger> {
        PostgresLedger::open(&database.url, database.schema.as_str()).await.expect("opens").into()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres_keeps_what_a_ledger_promises() {
        for promise in conformance::all() {
            let database = fresh_postgres();
            promise(Handles { one: open(&database).await, other: open(&database).await }).await;
        }
    }

    /// It was seen to fail with a feed that is ordered by number alone.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_feed_waits_for_a_transaction_that_is_open_and_may_come_before() {
        let database = fresh_postgres();
        let ledger =
            PostgresLedger::open(&database.url, database.schema.as_str()).await.expect("opens");
        let mut other = ledger.db.connect(Planning::ByCost).await.expect("connects");
        let open = other.transaction().await.expect("begins");
        let insert =
            "INSERT INTO settlement (run, first_ordinal, last_ordinal, at) VALUES (1, 7, 7, 0)";
        execute_all(&open, insert).await.expect("an entry that is on its way");

        conformance::feed::record_one(&ledger).await;
        let before = ledger.outcome_feed(None, 10).await.expect("reads");
        assert_eq!(before.outcomes.len(), 0);
        open.commit().await.expect("commits");
        conformance::feed::read_until(&ledger, &before.next, 1).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_planted_health_row_keeps_no_other_from_being_read_and_is_stored_over() {
        let database = fresh_postgres();
        let ledger =
            PostgresLedger::open(&database.url, database.schema.as_str()).await.expect("opens");
        let mut other = ledger.db.connect(Planning::ByCost).await.expect("connects");
        let planting = other.transaction().await.expect("begins");
        execute_all(&planting, health::PLANTED).await.expect("plants");
        planting.commit().await.expect("commits");
        health::is_read_and_stored_over(&ledger).await;
    }
}
