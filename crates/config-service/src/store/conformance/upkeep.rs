//! Erasure, retention, and groups that are checked against preferences.

use std::sync::Arc;

use cohort_preferences::{ChangeKind, Clock};
use jiff::Timestamp;

use super::kit::{
    Hand, Promise, daily, everything, feature, listed_groups, names, page, put, tenant, write,
};
use crate::error::ConfigServiceError;
use crate::store::Store;
use crate::store::list::Misplaced;
use crate::store::settled::whole_micros;

pub(super) const ALL: [Promise; 5] = [
    |store, _| Box::pin(the_database_proves_again_and_again_that_it_can_be_written(store)),
    |store, clock| Box::pin(an_erased_tenant_leaves_numbers_and_counts(store, clock)),
    |store, _| Box::pin(a_name_that_comes_back_is_somebody_else(store)),
    |store, clock| {
        Box::pin(what_is_forgotten_is_gone_for_readers_and_nothing_of_now_is(store, clock))
    },
    |store, _| Box::pin(groups_that_are_kept_right_show_no_drift(store)),
];

async fn the_database_proves_again_and_again_that_it_can_be_written(store: Arc<dyn Store>) {
    let before = store.newest_change().await.expect("reads");
    for _ in 0..2 {
        store.prove_writable().await.expect("written");
    }
    assert_eq!(store.newest_change().await.expect("reads"), before, "it is no change");
}

async fn an_erased_tenant_leaves_numbers_and_counts(store: Arc<dyn Store>, clock: Arc<Hand>) {
    put(&*store, "ann", &daily(9)).await;
    put(&*store, "bob", &daily(9)).await;
    put(&*store, "ann", &daily(10)).await;
    let before = whole_micros(clock.now());
    let erased = store.erase(&tenant("ann"), "admin".into()).await.expect("erases").expect("there");
    assert_eq!((erased.preferences, erased.changes), (1, 3));
    assert!(store.tenant(&tenant("ann")).await.expect("reads").is_none());
    assert!(store.history(&tenant("ann"), None, i64::MAX, 10).await.expect("reads").is_empty());
    assert!(store.erase(&tenant("ann"), "admin".into()).await.expect("reads").is_none());
    let list = page(&*store, &[10], before, 0, 10).await;
    assert_eq!((list.count_as_of, list.members.len()), (1, 1), "the past keeps its size");
    assert_eq!(
        (list.members[0].number, list.members[0].json.clone()),
        (erased.number as u64, None)
    );
    assert_ne!(list.members[0].tenant_id, "ann");
    assert!(names(&*store, &[10], erased.at).await.is_empty());
    let feed = everything(&*store).await;
    let last = feed.last().expect("changes");
    assert_eq!(
        (last.tenant_id.clone(), last.number, last.kind),
        (None, Some(erased.number as u64), ChangeKind::Deleted)
    );
    assert!(
        feed.iter()
            .filter(|change| change.number == Some(erased.number as u64))
            .all(|change| change.tenant_id.is_none())
    );
}

async fn a_name_that_comes_back_is_somebody_else(store: Arc<dyn Store>) {
    put(&*store, "ann", &daily(9)).await;
    let erased = store.erase(&tenant("ann"), "admin".into()).await.expect("erases").expect("there");
    assert_eq!(put(&*store, "ann", &daily(9)).await.version, 1);
    let again = store.tenant(&tenant("ann")).await.expect("reads").expect("there");
    assert_ne!(again.number, Some(erased.number));
    assert_eq!(store.history(&tenant("ann"), None, i64::MAX, 10).await.expect("reads").len(), 1);
}

async fn what_is_forgotten_is_gone_for_readers_and_nothing_of_now_is(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    put(&*store, "ann", &daily(9)).await;
    put(&*store, "ann", &daily(10)).await;
    put(&*store, "bob", &daily(9)).await;
    write(&*store, "bob", None).await;
    clock.set("2026-12-05T00:00:00Z");
    let cut = clock.now();
    put(&*store, "ann", &daily(11)).await;
    let forgotten = store.forget(cut).await.expect("forgets");
    assert_eq!(
        (forgotten.changes, forgotten.counts),
        (3, 3),
        "ann's two, bob's first; the deletion is bob's present"
    );
    assert_eq!(store.forget(cut).await.expect("forgets").changes, 0);
    assert!(matches!(store.changes(1.into(), 10).await, Err(ConfigServiceError::CursorGone)));
    let kept = store.oldest_kept().await.expect("reads");
    let rest = store.changes(kept.into(), 10).await.expect("reads").changes;
    assert_eq!(rest.iter().map(|change| change.version).collect::<Vec<_>>(), [2, 3]);
    let bob =
        store.preference(&tenant("bob"), &feature()).await.expect("reads").expect("a tombstone");
    assert_eq!((bob.version, bob.json), (2, None));
    let history = store.history(&tenant("ann"), None, i64::MAX, 10).await.expect("reads");
    assert_eq!(
        history.iter().map(|entry| entry.version).collect::<Vec<_>>(),
        [3],
        "what came before is no longer kept"
    );
    assert_eq!(put(&*store, "bob", &daily(9)).await.version, 3);
    assert_eq!(names(&*store, &[11], whole_micros(clock.now())).await.len(), 1);
}

/// Groups that somebody has broken behind the store's back: user `ann` stands at 8 and should at 9,
/// and 9 counts 7.
pub(crate) async fn broken_groups_are_found_and_set_right(store: &dyn Store) {
    let drift = store.drift(false).await.expect("looks");
    assert_eq!((drift.misplaced_count, drift.miscounted_count, drift.is_repaired), (1, 2, false));
    assert_eq!(drift.misplaced, [Misplaced { feature: feature(), tenant_id: "ann".into() }]);
    assert!(store.drift(true).await.expect("repairs").is_repaired);
    let drift = store.drift(false).await.expect("looks");
    assert_eq!((drift.misplaced_count, drift.miscounted_count), (0, 0));
    let groups = listed_groups(store, Timestamp::MAX).await.groups;
    assert_eq!(
        groups.iter().map(|group| (group.group.clone(), group.count)).collect::<Vec<_>>(),
        [(super::kit::daily_group(9), 2)]
    );
}

async fn groups_that_are_kept_right_show_no_drift(store: Arc<dyn Store>) {
    for hour in 0..3 {
        put(&*store, &format!("user{hour}"), &daily(hour % 2)).await;
    }
    write(&*store, "user1", None).await;
    let drift = store.drift(false).await.expect("looks");
    assert_eq!(
        (drift.preferences, drift.groups, drift.misplaced_count, drift.miscounted_count),
        (3, 2, 0, 0)
    );
    let before = listed_groups(&*store, Timestamp::MIN).await.groups;
    assert!(store.drift(true).await.expect("repairs").is_repaired);
    assert_eq!(listed_groups(&*store, Timestamp::MIN).await.groups, before);
}
