//! Edits, and the feed that tells of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use cohort_preferences::BatchGetRequest;
use jiff::Timestamp;

use super::kit::{
    Hand, Promise, daily, everything, feature, is_of, listed_groups, names, put, stated, tenant,
    write,
};
use crate::error::ConfigServiceError;
use crate::store::Store;
use crate::store::edit::{Edit, ImportRow};

pub(super) const ALL: [Promise; 7] = [
    |store, _| Box::pin(a_refused_edit_writes_nothing(store)),
    |store, _| Box::pin(an_edit_that_changes_nothing_writes_nothing(store)),
    |store, _| Box::pin(a_deleted_preference_keeps_its_version(store)),
    |store, _| Box::pin(an_import_keeps_the_order_of_each_user(store)),
    |store, _| Box::pin(the_feed_holds_every_change_once_under_sixteen_writers(store)),
    |store, clock| Box::pin(an_emptied_group_is_listed_until_it_is_forgotten(store, clock)),
    |store, _| Box::pin(a_batch_get_answers_in_the_order_asked(store)),
];

async fn a_refused_edit_writes_nothing(store: Arc<dyn Store>) {
    let edit = Edit {
        tenant: tenant("ann"),
        feature: None,
        actor: "test".into(),
        decide: Box::new(|_| Err(ConfigServiceError::PreconditionFailed("no".into()))),
    };
    assert!(store.edit(edit).await.is_err());
    assert!(store.tenant(&tenant("ann")).await.expect("reads").is_none());
    assert!(everything(&*store).await.is_empty());
}

async fn an_edit_that_changes_nothing_writes_nothing(store: Arc<dyn Store>) {
    let first = put(&*store, "ann", r#"{"frequency":"daily","enabled":true}"#).await;
    let second = put(&*store, "ann", r#"{"enabled":true,"frequency":"daily"}"#).await;
    assert_eq!((first.version, first.at), (second.version, second.at));
    assert_eq!(everything(&*store).await.len(), 1);
}

async fn a_deleted_preference_keeps_its_version(store: Arc<dyn Store>) {
    put(&*store, "ann", &daily(9)).await;
    let deleted = write(&*store, "ann", None).await.expect("a tombstone");
    assert_eq!((deleted.version, &deleted.json), (2, &None));
    assert_eq!(put(&*store, "ann", &daily(9)).await.version, 3);
    let feed = everything(&*store).await;
    let moves: Vec<_> =
        feed.iter().map(|change| (change.left.is_some(), change.joined.is_some())).collect();
    assert_eq!(moves, [(false, true), (true, false), (false, true)]);
}

async fn an_import_keeps_the_order_of_each_user(store: Arc<dyn Store>) {
    let row = |name: &str, json: String| ImportRow {
        tenant: tenant(name),
        feature: feature(),
        stated: stated(&json),
    };
    let rows = vec![
        row("zoe", daily(1)),
        row("ann", daily(1)),
        row("zoe", daily(2)),
        row("zoe", daily(2)),
        row("ann", daily(3)),
    ];
    assert_eq!(
        store.import(rows, "test".into()).await.expect("imports"),
        [true, true, true, false, true]
    );
    let feed = everything(&*store).await;
    for name in ["ann", "zoe"] {
        let own: Vec<_> = feed.iter().filter(|change| is_of(change, name)).collect();
        assert_eq!(own.iter().map(|change| change.version).collect::<Vec<_>>(), [1, 2]);
        assert!(own[0].at < own[1].at, "a membership is never an empty interval");
    }
    assert_eq!(
        names(&*store, &[1], feed[0].at).await,
        BTreeSet::from(["ann".into(), "zoe".into()])
    );
    let last = feed.last().expect("changes").at;
    assert!(names(&*store, &[1], last).await.is_empty());
    assert_eq!(names(&*store, &[2, 3], last).await.len(), 2);
}

async fn the_feed_holds_every_change_once_under_sixteen_writers(store: Arc<dyn Store>) {
    const WRITERS: u64 = 16;
    const EDITS: u64 = 25;
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for edit in 0..EDITS {
                put(&*store, &format!("user{writer}"), &daily((edit % 2) as u32)).await;
            }
        });
    }
    let mut commits = store.commits();
    let (mut feed, mut complete_until, mut after) = (Vec::new(), Timestamp::MIN, 0.into());
    while feed.len() < (WRITERS * EDITS) as usize {
        commits.mark_unchanged();
        let page = store.changes(after, 10).await.expect("reads");
        assert!(page.changes.iter().all(|change| change.at > complete_until), "a change came late");
        complete_until = page.complete_until.max(complete_until);
        if page.changes.is_empty() {
            commits.changed().await.expect("the store is open");
        }
        after = store.incarnation().position_of(&page.next, "next").expect("a position");
        feed.extend(page.changes);
    }
    let ids: BTreeSet<_> = feed.iter().map(|change| change.id.clone()).collect();
    assert_eq!(ids.len(), feed.len());
    assert!(feed.is_sorted_by_key(|change| change.at));
    for writer in 0..WRITERS {
        let own = feed.iter().filter(|change| is_of(change, &format!("user{writer}")));
        let versions: Vec<u64> = own.map(|change| change.version).collect();
        assert_eq!(versions, (1..=EDITS).collect::<Vec<_>>());
    }
}

async fn an_emptied_group_is_listed_until_it_is_forgotten(store: Arc<dyn Store>, clock: Arc<Hand>) {
    let joined = put(&*store, "ann", &daily(9)).await.at;
    clock.set("2026-12-02T00:00:00Z");
    let left = put(&*store, "ann", &daily(10)).await.at;
    let groups = listed_groups(&*store, joined).await;
    assert!(groups.complete_until >= left);
    let emptied = groups.groups.iter().find(|group| group.count == 0).expect("the emptied group");
    assert_eq!((emptied.since, emptied.empty_since), (joined, Some(left)));
    let later = listed_groups(&*store, left).await;
    assert_eq!(later.groups.len(), 1);
    let back = put(&*store, "ann", &daily(9)).await.at;
    let again = listed_groups(&*store, back).await.groups;
    assert_eq!(
        (again[0].since, again[0].empty_since),
        (joined, None),
        "it came to be when its first user ever joined"
    );
}

async fn a_batch_get_answers_in_the_order_asked(store: Arc<dyn Store>) {
    put(&*store, "ann", &daily(9)).await;
    put(&*store, "bob", &daily(9)).await;
    write(&*store, "bob", None).await;
    let request = BatchGetRequest {
        feature_type: feature(),
        tenant_ids: ["bob", "nobody", "ann"].map(tenant).into(),
    };
    let answer = store.preferences(request).await.expect("reads");
    let read: Vec<_> = answer
        .preferences
        .iter()
        .map(|entry| (entry.tenant_id.as_str(), entry.version, entry.preference.is_some()))
        .collect();
    assert_eq!(read, [("bob", 2, false), ("nobody", 0, false), ("ann", 1, true)]);
}
