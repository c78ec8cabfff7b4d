//! Cursors of the feed that know their change again (F11).

use std::sync::Arc;

use super::kit::{Hand, Promise, daily, daily_group, feature, put};
use crate::cursor::Position;
use crate::error::ConfigServiceError;
use crate::store::Store;
use crate::store::list::MovedQuery;
use crate::store::settled::whole_micros;

pub(super) const ALL: [Promise; 2] = [
    |store, clock| Box::pin(a_cursor_is_of_one_change_and_not_of_its_number(store, clock)),
    |store, clock| {
        Box::pin(a_cursor_at_the_newest_change_works_also_once_that_is_old(store, clock))
    },
];

/// Returns the position behind the newest change, as its cursor says it.
async fn end(store: &dyn Store) -> Position {
    let newest = store.newest_change().await.expect("reads");
    let page = store.changes(newest.into(), 10).await.expect("reads");
    store.incarnation().position_of(&page.next, "next").expect("a position")
}

async fn a_cursor_is_of_one_change_and_not_of_its_number(store: Arc<dyn Store>, clock: Arc<Hand>) {
    use cohort_preferences::Clock;
    assert_eq!(end(&*store).await, Position::from(0), "nothing is there to know again");
    put(&*store, "ann", &daily(9)).await;
    let first = end(&*store).await;
    assert!(first.fingerprint.is_some());
    put(&*store, "bob", &daily(9)).await;
    let second = end(&*store).await;
    let page = store.changes(first, 10).await.expect("reads");
    assert_eq!(page.changes.len(), 1);
    let cursor = store.incarnation().position(second);
    assert_eq!((&page.next, &page.changes[0].id), (&cursor, &cursor));
    // As a reader has it who saw another first change, before the database was restored.
    let other = Position { fingerprint: second.fingerprint, ..first };
    assert!(matches!(store.changes(other, 10).await, Err(ConfigServiceError::CursorGone)));
    let moved = |since| MovedQuery {
        feature: feature(),
        groups: vec![daily_group(9)],
        as_of: whole_micros(clock.now()),
        since,
        limit: 10,
    };
    assert_eq!(store.moved(moved(first)).await.expect("reads").members.len(), 1);
    assert!(matches!(store.moved(moved(other)).await, Err(ConfigServiceError::CursorGone)));
    let without = Position { fingerprint: None, ..first };
    assert_eq!(store.changes(without, 10).await.expect("an older cursor").changes.len(), 1);
}

async fn a_cursor_at_the_newest_change_works_also_once_that_is_old(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    use cohort_preferences::Clock;
    put(&*store, "ann", &daily(9)).await;
    let first = end(&*store).await;
    put(&*store, "ann", &daily(10)).await;
    let newest = end(&*store).await;
    clock.set("2026-12-05T00:00:00Z");
    assert_eq!(store.forget(clock.now()).await.expect("forgets").changes, 1);
    let kept = store.changes(newest, 10).await.expect("reads");
    assert!(kept.changes.is_empty());
    let removed = store.changes(first, 10).await.expect("only its number is known still");
    assert_eq!(removed.changes.len(), 1);
}
