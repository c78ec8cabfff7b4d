//! What every store promises, kept on SQLite, and what only a file can break.

use std::path::Path;
use std::sync::Arc;

use cohort_database::DatabaseError;
use rusqlite::Connection;

use super::SqliteStore;
use crate::cursor::Since;
use crate::error::ConfigServiceError;
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

#[tokio::test]
async fn a_file_that_was_copied_back_and_grew_past_a_cursor_refuses_it() {
    let folder = tempfile::tempdir().expect("folder");
    let clock = Hand::at("2026-12-01T00:00:00Z");
    let before = store(folder.path(), &clock).await;
    conformance::put(&before, "ann", r#"{"frequency":"daily"}"#).await;
    let known = conformance::everything(&before).await[0].id.clone();
    let copy = folder.path().join("copy.db");
    let file = Connection::open(folder.path().join("config.db")).expect("opens");
    file.execute("VACUUM INTO ?1", [copy.to_str().expect("text")]).expect("copies");
    conformance::put(&before, "bob", r#"{"frequency":"daily"}"#).await;
    let lost = conformance::everything(&before).await[1].id.clone();
    drop(before);

    let restored = SqliteStore::open(&copy, clock.clone(), false).await.expect("opens");
    for name in ["bob", "cem"] {
        conformance::put(&restored, name, r#"{"frequency":"daily"}"#).await;
    }
    let position = |cursor: &str| match restored.incarnation().since(Some(cursor)) {
        Ok(Since::Change(position)) => position,
        other => panic!("{other:?}"),
    };
    let refused = restored.changes(position(&lost), 10).await;
    assert!(matches!(refused, Err(ConfigServiceError::CursorGone)), "{refused:?}");
    let page = restored.changes(position(&known), 10).await.expect("the copy has this change");
    assert_eq!(page.changes.len(), 2);
}
