//! What every store promises, kept on PostgreSQL, and what only several processes on one database
//! can break.

mod faults;
mod processes;

use std::sync::Arc;

use cohort_database::statement::execute_all;
use cohort_database::testing::{TestDatabase, fresh_postgres};
use cohort_database::{Connection, DatabaseError, Planning};
use cohort_preferences::{ChangePage, Clock};

use super::PostgresStore;
use crate::cursor::Position;
use crate::error::{ConfigServiceError, Result};
use crate::store::Store;
use crate::store::conformance::{self, Hand, daily, feature, put};
use crate::store::edit::{Current, Edit, Stated, Wanted};

/// A process of its own on this database.
async fn open(database: &TestDatabase, clock: Arc<dyn Clock>) -> Arc<PostgresStore> {
    let store = PostgresStore::open(database.url.clone(), database.schema.clone(), clock, false);
    Arc::new(store.await.expect("opens"))
}

fn noon() -> Arc<Hand> {
    Hand::at("2026-12-01T12:00:00Z")
}

/// A connection that is no part of the store.
async fn other(store: &PostgresStore) -> Connection {
    store.process.db.connect(Planning::ByCost).await.expect("connects")
}

async fn run(client: &Connection, statements: &str) {
    execute_all(client, statements).await.expect("runs");
}

/// Sets the preference of one user to this hour.
async fn try_put(store: &dyn Store, name: &str, hour: u32) -> Result<Arc<Current>> {
    let stated = Stated::read(&serde_json::from_str(&daily(hour)).expect("JSON"), "")
        .expect("a preference")
        .admitted(0);
    let edit = Edit {
        tenant: name.parse().expect("a tenant id"),
        feature: Some(feature()),
        actor: "test".into(),
        decide: Box::new(|_| Ok(Wanted::preference(feature(), Some(stated)))),
    };
    let mut edited = store.edit(edit).await?;
    Ok(edited.after.preferences.remove(feature().as_str()).expect("it is there"))
}

/// The position behind which the next page begins.
fn end(store: &PostgresStore, page: &ChangePage) -> Position {
    store.incarnation().position_of(&page.next, "next").expect("a position")
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_what_a_store_promises() {
    for promise in conformance::all() {
        let database = fresh_postgres();
        let clock = Hand::at("2026-12-01T00:00:00Z");
        promise(open(&database, clock.clone()).await, clock).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_were_broken_behind_its_back_are_found_and_set_right() {
    let database = fresh_postgres();
    let store = open(&database, noon()).await;
    put(&*store, "zoe", &daily(8)).await;
    put(&*store, "zoe", &daily(9)).await;
    put(&*store, "ann", &daily(9)).await;
    let break_groups =
        "UPDATE preference SET group_id = (SELECT id FROM stated_group WHERE time_key = '08:00')
         WHERE tenant = (SELECT id FROM tenant WHERE tenant_id = 'ann');
         UPDATE stated_group SET count = 7 WHERE time_key = '09:00'";
    let other = other(&store).await;
    run(&other, break_groups).await;
    conformance::upkeep::broken_groups_are_found_and_set_right(&*store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_to_read_hears_of_commits_and_refuses_writes() {
    let database = fresh_postgres();
    let writes = open(&database, noon()).await;
    let reads = PostgresStore::open(database.url.clone(), database.schema.clone(), noon(), true)
        .await
        .expect("opens");
    let mut commits = reads.commits();
    commits.mark_unchanged();
    let written = put(&*writes, "ann", &daily(9)).await;
    commits.changed().await.expect("the store is open");
    let page = reads.changes(0.into(), 10).await.expect("reads");
    assert_eq!((page.changes.len(), page.complete_until), (1, written.at));
    assert!(try_put(&reads, "bob", 9).await.is_err());
    assert_eq!(reads.incarnation(), writes.incarnation());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_not_there_is_not_opened_to_read() {
    let database = fresh_postgres();
    let opened =
        PostgresStore::open(database.url.clone(), database.schema.clone(), noon(), true).await;
    assert!(matches!(opened.err(), Some(ConfigServiceError::Database(DatabaseError::Query(_)))));
}
