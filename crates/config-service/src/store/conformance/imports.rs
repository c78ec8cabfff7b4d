//! Imports: many rows are written in another way than few.

use std::sync::Arc;

use serde_json::json;

use super::kit::{Promise, daily_group, everything, feature, stated, tenant};
use crate::store::Store;
use crate::store::edit::ImportRow;

pub(super) const ALL: [Promise; 1] =
    [|store, _| Box::pin(an_import_of_thousands_is_read_as_it_was_stated(store))];

/// More than any store writes as few.
const USERS: usize = 3_000;

/// What a user states in each of two imports: every third is switched off in the first, and every
/// second is then moved.
fn preference(user: usize, import: usize) -> String {
    let hour = if user.is_multiple_of(2) { 8 + import } else { 8 };
    let say = format!("\"{user}\"\t\\N\\.\n✓");
    let enabled = import > 0 || !user.is_multiple_of(3);
    json!({"enabled": enabled, "frequency": "daily", "preferred_time": format!("{hour:02}:00"),
        "timezone": "UTC", "template_overrides": {"say": say}})
    .to_string()
}

fn rows(import: usize) -> Vec<ImportRow> {
    let row = |user| ImportRow {
        tenant: tenant(&format!("user{user}")),
        feature: feature(),
        stated: stated(&preference(user, import)),
    };
    (0..USERS).map(row).collect()
}

async fn an_import_of_thousands_is_read_as_it_was_stated(store: Arc<dyn Store>) {
    for (import, hour, members) in [(0, 8, USERS - USERS / 3), (1, 9, USERS / 2)] {
        let changed = store.import(rows(import), "test".into()).await.expect("imports");
        let is_other = |user| import == 0 || preference(user, 0) != preference(user, 1);
        assert!(changed.into_iter().enumerate().all(|(user, changed)| changed == is_other(user)));
        for user in 0..USERS {
            let stored = store
                .preference(&tenant(&format!("user{user}")), &feature())
                .await
                .expect("reads")
                .expect("it is there");
            assert_eq!(stored.json, Some(preference(user, import)));
        }
        let groups = super::kit::listed_groups(&*store, jiff::Timestamp::MIN).await.groups;
        let group =
            groups.iter().find(|listed| listed.group == daily_group(hour)).expect("a group");
        assert_eq!(group.count, members as u64);
    }
    let drift = store.drift(false).await.expect("checks");
    assert_eq!((drift.preferences, drift.misplaced_count), (USERS as u64, 0));
    let moved = (0..USERS).filter(|user| preference(*user, 0) != preference(*user, 1)).count();
    assert_eq!(everything(&*store).await.len(), USERS + moved);
}
