//! Several processes on one database.

use std::collections::BTreeSet;

use cohort_preferences::{Change, is_later_cursor};
use jiff::Timestamp;

use super::*;
use crate::store::conformance::{everything, names};

const WRITERS: usize = 16;
const EDITS: u64 = 25;

/// Follows the feed by pages of seven until it has so many changes.
async fn follow(store: &PostgresStore, count: usize) -> Vec<Change> {
    let mut commits = store.commits();
    let (mut feed, mut complete_until, mut after) = (Vec::new(), Timestamp::MIN, 0.into());
    while feed.len() < count {
        commits.mark_unchanged();
        let page = store.changes(after, 7).await.expect("reads");
        assert!(page.changes.iter().all(|change| change.at > complete_until), "a change came late");
        complete_until = page.complete_until.max(complete_until);
        if page.changes.is_empty() {
            commits.changed().await.expect("the store is open");
        }
        after = end(store, &page);
        feed.extend(page.changes);
    }
    feed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_every_change_of_three_processes_once_and_in_the_order_of_each_user() {
    let (database, clock) = (fresh_postgres(), noon());
    let stores = [
        open(&database, clock.clone()).await,
        open(&database, clock.clone()).await,
        open(&database, clock.clone()).await,
    ];
    let reads = open(&database, clock).await;
    for writer in 0..WRITERS {
        let store = Arc::clone(&stores[writer % stores.len()]);
        tokio::spawn(async move {
            for edit in 0..EDITS {
                put(&*store, &format!("user{writer}"), &daily((edit % 2) as u32)).await;
            }
        });
    }
    let feed = follow(&reads, WRITERS * EDITS as usize).await;
    assert!(
        feed.is_sorted_by(|a, b| is_later_cursor(&b.id, &a.id) && a.at <= b.at),
        "cursors of any length are in order"
    );
    let ids: BTreeSet<_> = feed.iter().map(|change| &change.id).collect();
    assert_eq!(ids.len(), WRITERS * EDITS as usize);
    for writer in 0..WRITERS {
        let name = format!("user{writer}");
        let own = feed.iter().filter(|change| {
            change.tenant_id.as_ref().is_some_and(|tenant| tenant.as_str() == name)
        });
        let versions: Vec<u64> = own.map(|change| change.version).collect();
        assert_eq!(versions, (1..=EDITS).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_whose_clocks_differ_by_a_minute_give_stamps_that_grow_and_lists_that_agree() {
    let database = fresh_postgres();
    let (behind, ahead) = (noon(), Hand::at("2026-12-01T12:01:00Z"));
    let stores = [open(&database, ahead).await, open(&database, behind.clone()).await];
    let mut stamps = Vec::new();
    for hour in 0..6 {
        stamps.push(put(&*stores[hour as usize % 2], "ann", &daily(hour)).await.at);
    }
    assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
    behind.set("2026-12-01T12:02:00Z");
    for store in stores {
        for (hour, stamp) in (0..6).zip(&stamps) {
            let listed = names(&*store, &[hour], *stamp).await;
            assert_eq!(listed, BTreeSet::from(["ann".to_owned()]), "at {hour}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_one_process_has_read_stays_as_it_was_when_another_with_a_slower_clock_writes()
{
    let database = fresh_postgres();
    let (fast, slow) =
        (open(&database, Hand::at("2026-12-01T12:01:00Z")).await, open(&database, noon()).await);
    put(&*fast, "ann", &daily(9)).await;
    let as_of = "2026-12-01T12:01:00Z".parse().expect("an instant");
    let before = names(&*fast, &[9], as_of).await;
    let written = put(&*slow, "bob", &daily(9)).await;
    assert!(written.at > as_of);
    assert_eq!(names(&*fast, &[9], as_of).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_transaction_of_somebody_else_neither_hides_nor_delays_a_change() {
    let database = fresh_postgres();
    let store = open(&database, noon()).await;
    let (idle, busy) = (other(&store).await, other(&store).await);
    run(&idle, "BEGIN; SELECT pg_current_xact_id()").await;
    run(&busy, &"BEGIN; SELECT pg_current_xact_id(); COMMIT; ".repeat(200)).await;
    let written = put(&*store, "ann", &daily(9)).await;
    let page = store.changes(0.into(), 10).await.expect("reads");
    assert_eq!(page.changes.len(), 1);
    assert!(page.complete_until >= written.at);
    assert_eq!(names(&*store, &[9], written.at).await.len(), 1);
    assert!(store.feed_lag().await.expect("reads").is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_hears_that_keys_have_changed() {
    let database = fresh_postgres();
    let (one, two) = (open(&database, noon()).await, open(&database, noon()).await);
    let (mut admissions, mut commits) = (two.admissions(), two.commits());
    put(&*one, "ann", &daily(9)).await;
    commits.changed().await.expect("the store is open");
    assert!(!admissions.has_changed().expect("the store is open"), "a preference is no admission");
    one.revoke_key(1).await.expect("there is none");
    admissions.changed().await.expect("the store is open");
    assert_eq!(everything(&*two).await.len(), 1);
}
