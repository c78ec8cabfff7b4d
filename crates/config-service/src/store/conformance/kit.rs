//! What the promises write and read, and a clock that is set by hand.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cohort_preferences::{Clock, FeatureType, StatedGroup, TenantId};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::store::Store;
use crate::store::edit::{Admitted, Current, Edit, Stated, Wanted};
use crate::store::list::{GroupPage, GroupsQuery, MemberList, MembersQuery};

/// A clock that moves a microsecond each time that it is asked, and otherwise by hand.
pub(crate) struct Hand(AtomicI64);

impl Hand {
    pub(crate) fn at(instant: &str) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(micros(instant))))
    }

    pub(crate) fn set(&self, instant: &str) {
        self.0.store(micros(instant), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        at(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn micros(instant: &str) -> i64 {
    instant.parse::<Timestamp>().expect("an instant").as_microsecond()
}

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).expect("in range")
}

type Test = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A promise, checked on a store that is empty.
pub(crate) type Promise = fn(Arc<dyn Store>, Arc<Hand>) -> Test;

pub(super) const FEATURE: &str = "posts";

/// The feature of all these preferences.
pub(crate) fn feature() -> FeatureType {
    FEATURE.parse().expect("a feature type")
}

pub(super) fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant id")
}

pub(super) fn stated(json: &str) -> Admitted {
    let value: Value = serde_json::from_str(json).expect("JSON");
    Stated::read(&value, "").expect("a preference").admitted(0)
}

pub(super) async fn write(
    store: &dyn Store,
    name: &str,
    wanted: Option<Admitted>,
) -> Option<Arc<Current>> {
    let edit = Edit {
        tenant: tenant(name),
        feature: Some(feature()),
        actor: "test".into(),
        decide: Box::new(|_| Ok(Wanted::preference(feature(), wanted))),
    };
    store.edit(edit).await.expect("edits").after.preferences.remove(FEATURE)
}

/// Sets the preference of one user.
pub(crate) async fn put(store: &dyn Store, name: &str, json: &str) -> Arc<Current> {
    write(store, name, Some(stated(json))).await.expect("it is there")
}

pub(crate) fn daily(hour: u32) -> String {
    json!({"frequency": "daily", "preferred_time": format!("{hour:02}:00"), "timezone": "UTC"})
        .to_string()
}

pub(super) fn daily_group(hour: u32) -> StatedGroup {
    StatedGroup::parse("daily", &format!("{hour:02}:00"), "UTC").expect("a group")
}

pub(super) async fn page(
    store: &dyn Store,
    hours: &[u32],
    as_of: Timestamp,
    after: u64,
    limit: usize,
) -> MemberList {
    let query = MembersQuery {
        feature: feature(),
        groups: hours.iter().map(|hour| daily_group(*hour)).collect(),
        as_of,
        after,
        limit,
    };
    store.members(query).await.expect("lists")
}

/// Who is listed as a member of these hours' groups.
pub(crate) async fn names(store: &dyn Store, hours: &[u32], as_of: Timestamp) -> BTreeSet<String> {
    let list = page(store, hours, as_of, 0, 5_000).await;
    assert!(!list.has_more);
    assert!(list.members.is_sorted_by_key(|member| member.number));
    assert_eq!(list.count_as_of as usize, list.members.len(), "M8");
    list.members.into_iter().map(|member| member.tenant_id).collect()
}

/// The whole feed.
pub(crate) async fn everything(store: &dyn Store) -> Vec<cohort_preferences::Change> {
    store.changes(0.into(), 1_000_000).await.expect("reads").changes
}

pub(super) fn is_of(change: &cohort_preferences::Change, name: &str) -> bool {
    change.tenant_id.as_ref().is_some_and(|tenant| tenant.as_str() == name)
}

pub(super) async fn listed_groups(store: &dyn Store, emptied_after: Timestamp) -> GroupPage {
    let query = GroupsQuery { feature: feature(), emptied_after, after: 0, limit: 1_000 };
    store.groups(query).await.expect("lists")
}
