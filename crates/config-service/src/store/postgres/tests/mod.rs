//! What every store promises, kept on PostgreSQL, and what only several processes on one database can break.

use std::sync::Arc;

use cohort_database::testing::{TestDatabase, fresh_postgres};
use cohort_preferences::Clock;

use super::PostgresStore;
use crate::store::conformance::{self, Hand};

/// A process of its own on this database.
async fn open(database: &TestDatabase, clock: Arc<dyn Clock>) -> Arc<PostgresStore> {
    let store = PostgresStore::open(database.url.clone(), database.schema.clone(), clock, false);
    Arc::new(store.await.expect("opens"))
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_what_a_store_promises() {
    for promise in conformance::all() {
        let database = fresh_postgres();
        let clock = Hand::at("2026-12-01T00:00:00Z");
        promise(open(&database, clock.clone()).await, clock).await;
    }
}
