//! Writers that hang, roll back, panic or lose their connection.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cohort_database::statement::{query, query_one};
use tokio::sync::watch;
use tokio::task::yield_now;

use super::*;
use crate::store::conformance::everything;

/// Does what a process does that writes the next change of the first user, but for the end.
async fn write_half(client: &Connection) {
    let half = "BEGIN; SELECT FROM head FOR UPDATE; UPDATE head SET stamp = stamp + 1000000, \
        change_id = change_id + 1;
         INSERT INTO change (id, at, tenant, feature, version, preference, actor, rules)
         SELECT head.change_id, head.stamp, tenant, feature, version + 1, '{}', 'late', 0 FROM \
         change, head WHERE change.id = 1";
    run(client, half).await;
}

/// Waits until so many jobs have been put into the queue behind the one that is at work.
async fn until_queued(store: &PostgresStore, count: usize) {
    while store.queue.max_capacity() - store.queue.capacity() < count {
        yield_now().await;
    }
}

/// Waits until the writer of the store waits for `head`.
async fn until_writer_waits(watching: &Connection) {
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM \
        pg_locks WHERE relation = 'head'::regclass)";
    while query_one(watching, waits, &[]).await.expect("reads").get::<_, i64>("count") == 0 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_commits_late_makes_the_feed_late_and_never_wrong() {
    let (database, clock) = (fresh_postgres(), noon());
    let store = open(&database, clock.clone()).await;
    put(&*store, "ann", &daily(9)).await;
    let (late, watching) = (other(&store).await, other(&store).await);
    write_half(&late).await;
    clock.set("2026-12-01T13:00:00Z");
    let waits = tokio::spawn({
        let store = Arc::clone(&store);
        async move { put(&*store, "bob", &daily(9)).await }
    });
    until_writer_waits(&watching).await;

    let before = store.changes(1.into(), 10).await.expect("reads without waiting");
    assert!(before.changes.is_empty());
    assert!(store.feed_lag().await.expect("reads") > Duration::ZERO);
    run(&late, "COMMIT").await;
    waits.await.expect("no panic");

    let after = store.changes(end(&store, &before), 10).await.expect("reads");
    let numbers: Vec<_> = after.changes.iter().map(|change| number(&store, &change.id)).collect();
    assert_eq!(numbers, [2, 3]);
    assert!(
        after.changes.iter().all(|change| change.at > before.complete_until),
        "{before:?} {after:?}"
    );
    assert!(store.feed_lag().await.expect("reads").is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_that_a_writer_still_holds_is_not_settled() {
    let (database, clock) = (fresh_postgres(), noon());
    let store = open(&database, clock.clone()).await;
    put(&*store, "ann", &daily(9)).await;
    let late = other(&store).await;
    write_half(&late).await;
    clock.set("2026-12-01T13:00:00Z");
    let as_of = "2026-12-01T12:30:00Z".parse().expect("an instant");
    let refused =
        store.process.stamps.wait_until_settled(as_of).await.expect_err("the writer hangs");
    assert!(matches!(refused, ConfigServiceError::NotSettled { .. }), "{refused:?}");
    run(&late, "ROLLBACK").await;
    store.process.stamps.wait_until_settled(as_of).await.expect("nobody writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_rolls_back_leaves_no_gap() {
    let database = fresh_postgres();
    let store = open(&database, noon()).await;
    put(&*store, "ann", &daily(9)).await;
    let late = other(&store).await;
    write_half(&late).await;
    run(&late, "ROLLBACK").await;
    let written = put(&*store, "bob", &daily(9)).await;
    assert_eq!(written.change, 2);
    assert_eq!(everything(&*store).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_written_together_and_a_refused_edit_fails_alone() {
    let database = fresh_postgres();
    let store = open(&database, noon()).await;
    put(&*store, "ann", &daily(9)).await;
    let late = other(&store).await;
    write_half(&late).await;
    let puts = |index: u32| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { try_put(&*store, &format!("user{index}"), index % 3).await })
    };
    let puts: Vec<_> = (0..50).map(puts).collect();
    until_queued(&store, 49).await;
    let refuses = Box::new(|_: &_| Err(ConfigServiceError::PreconditionFailed("no".into())));
    let refused = Edit {
        tenant: "ann".parse().expect("an id"),
        feature: None,
        actor: "test".into(),
        decide: refuses,
    };
    let refused = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.edit(refused).await }
    });
    until_queued(&store, 50).await;
    run(&late, "ROLLBACK").await;
    assert!(matches!(
        refused.await.expect("no panic"),
        Err(ConfigServiceError::PreconditionFailed(_))
    ));
    for put in puts {
        put.await.expect("no panic").expect("written");
    }
    let feed = everything(&*store).await;
    let stamps: BTreeSet<_> = feed.iter().map(|change| change.at).collect();
    assert_eq!((feed.len(), stamps.len()), (51, 2), "the first alone, the others together");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_own_transaction_only() {
    let database = fresh_postgres();
    let store = open(&database, noon()).await;
    let decide = Box::new(|_: &_| panic!("on purpose"));
    let edit =
        Edit { tenant: "ann".parse().expect("an id"), feature: None, actor: "test".into(), decide };
    store.edit(edit).await.expect_err("it panicked");
    assert_eq!(put(&*store, "ann", &daily(9)).await.version, 1);
}

/// Edits one user until so many edits were acknowledged, and says which.
async fn edit_stubbornly(
    store: Arc<PostgresStore>,
    name: String,
    acknowledged: Arc<watch::Sender<usize>>,
    failed: Arc<AtomicUsize>,
) -> Vec<Arc<Current>> {
    let (mut own, mut hour) = (Vec::new(), 0);
    while own.len() < 60 {
        hour = (hour + 1) % 24;
        match try_put(&*store, &name, hour).await {
            Ok(current) => {
                own.push(current);
                acknowledged.send_modify(|count| *count += 1);
            }
            Err(ConfigServiceError::Database(error)) => {
                assert!(error.is_transient(), "{error:?}");
                failed.fetch_add(1, Ordering::SeqCst);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    own
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_connections_are_cut_recovers_and_loses_nothing_that_it_acknowledged() {
    let database = fresh_postgres();
    let store = open(&database, noon()).await;
    let (acknowledged, failed) = (Arc::new(watch::Sender::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut counted = acknowledged.subscribe();
    let edits = (0..4).map(|writer| {
        let stubborn = edit_stubbornly(
            Arc::clone(&store),
            format!("user{writer}"),
            Arc::clone(&acknowledged),
            Arc::clone(&failed),
        );
        tokio::spawn(stubborn)
    });
    let edits: Vec<_> = edits.collect();
    let cutter = other(&store).await;
    for cut in 1..=5 {
        counted.wait_for(|count| *count >= cut * 30).await.expect("edits go on");
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = \
            $1 AND pid <> pg_backend_pid()";
        query(&cutter, all, &[&format!("cohort {}", database.schema)]).await.expect("cuts");
    }
    let mut expected = Vec::new();
    for edits in edits {
        expected.extend(edits.await.expect("no panic"));
    }
    assert!(failed.load(Ordering::SeqCst) > 0, "a cut is felt");
    let feed = everything(&*store).await;
    for current in expected {
        let change = feed
            .iter()
            .find(|change| number(&store, &change.id) == current.change)
            .expect("acknowledged and there");
        assert_eq!((change.version, change.at), (current.version, current.at));
    }
}

/// The number of the change at a position.
fn number(store: &PostgresStore, position: &str) -> i64 {
    store.incarnation().position_of(position, "id").expect("a position").change
}
