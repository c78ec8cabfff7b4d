//! What every store promises, kept on SQLite, and what only a file can break.

use std::path::Path;
use std::sync::Arc;

use cohort_database::DatabaseError;
use rusqlite::Connection;

use super::SqliteStore;
use crate::store::Store;
use crate::store::conformance::{self, Hand};

async fn store(folder: &Path, clock: &Arc<Hand>) -> SqliteStore {
    SqliteStore::open(&folder.join("config.db"), clock.clone(), false).await.expect("opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_what_a_store_promises() {
    for promise in conformance::all() {
        let folder = tempfile::tempdir().expect("folder");
        let clock = Hand::at("2026-12-01T00:00:00Z");
        promise(Arc::new(store(folder.path(), &clock).await), clock).await;
    }
}

#[tokio::test]
async fn stamps_and_incarnation_go_on_after_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let clock = Hand::at("2026-12-01T00:00:00Z");
    let before = store(folder.path(), &clock).await;
    let first = conformance::put(&before, "ann", r#"{"frequency":"daily"}"#).await;
    let incarnation = before.incarnation();
    drop(before);
    clock.set("2026-11-01T00:00:00Z");
    let after = store(folder.path(), &clock).await;
    let second = conformance::put(&after, "ann", r#"{"frequency":"weekly"}"#).await;
    assert!(second.at > first.at, "the clock went back, the stamps did not");
    assert_eq!(after.incarnation(), incarnation);
}

#[tokio::test]
async fn groups_that_were_broken_behind_its_back_are_found_and_set_right() {
    let folder = tempfile::tempdir().expect("folder");
    let store = store(folder.path(), &Hand::at("2026-12-01T00:00:00Z")).await;
    conformance::put(&store, "zoe", &conformance::daily(8)).await;
    conformance::put(&store, "zoe", &conformance::daily(9)).await;
    conformance::put(&store, "ann", &conformance::daily(9)).await;
    let break_groups = |tx: &Connection| {
        tx.execute_batch(
            "UPDATE preference SET group_id = (SELECT id FROM stated_group WHERE time_key = \
             '08:00')
             WHERE tenant = (SELECT id FROM tenant WHERE tenant_id = 'ann');
             UPDATE stated_group SET count = 7 WHERE time_key = '09:00'",
        )?;
        Ok::<_, DatabaseError>(())
    };
    store.db.write(break_groups).await.expect("breaks");
    conformance::upkeep::broken_groups_are_found_and_set_right(&store).await;
}
