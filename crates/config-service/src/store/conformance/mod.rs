//! What every store promises, as tests that run on each of them.

mod admission;
mod imports;
mod lists;
pub(crate) mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cohort_preferences::{BatchGetRequest, Clock, FeatureType, StatedGroup, TenantId};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::Store;
use super::edit::{Admitted, Current, Edit, ImportRow, Stated, Wanted};
use super::list::{GroupPage, GroupsQuery, ListsQuery, MemberList, MembersQuery};
use super::settle::whole_micros;
use crate::error::ConfigServiceError;

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

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).expect("in range")
}

type Test = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A promise, checked on a store that is empty.
pub(crate) type Promise = fn(Arc<dyn Store>, Arc<Hand>) -> Test;

/// Every promise.
pub(crate) fn all() -> impl Iterator<Item = Promise> {
    [&EDITS[..], &imports::ALL[..], &lists::ALL[..], &upkeep::ALL[..], &admission::ALL[..]]
        .concat()
        .into_iter()
}

const EDITS: [Promise; 9] = [
    |store, _| Box::pin(a_refused_edit_writes_nothing(store)),
    |store, _| Box::pin(an_edit_that_changes_nothing_writes_nothing(store)),
    |store, _| Box::pin(a_deleted_preference_keeps_its_version(store)),
    |store, _| Box::pin(an_import_keeps_the_order_of_each_user(store)),
    |store, clock| Box::pin(lists_as_of_any_past_instant_equal_a_simple_model(store, clock)),
    |store, clock| {
        Box::pin(a_list_read_as_of_an_instant_never_changes_while_writers_move_users(store, clock))
    },
    |store, _| Box::pin(the_feed_holds_every_change_once_under_sixteen_writers(store)),
    |store, clock| Box::pin(an_emptied_group_is_listed_until_it_is_forgotten(store, clock)),
    |store, _| Box::pin(a_batch_get_answers_in_the_order_asked(store)),
];

const FEATURE: &str = "posts";

/// The feature of all these preferences.
pub(crate) fn feature() -> FeatureType {
    FEATURE.parse().expect("a feature type")
}

fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant id")
}

fn stated(json: &str) -> Admitted {
    let value: Value = serde_json::from_str(json).expect("JSON");
    Stated::read(&value, "").expect("a preference").admitted(0)
}

async fn write(store: &dyn Store, name: &str, wanted: Option<Admitted>) -> Option<Arc<Current>> {
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

fn daily_group(hour: u32) -> StatedGroup {
    StatedGroup::parse("daily", &format!("{hour:02}:00"), "UTC").expect("a group")
}

async fn page(
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
    store.changes(0, 1_000_000).await.expect("reads").changes
}

fn is_of(change: &cohort_preferences::Change, name: &str) -> bool {
    change.tenant_id.as_ref().is_some_and(|tenant| tenant.as_str() == name)
}

async fn listed_groups(store: &dyn Store, emptied_after: Timestamp) -> GroupPage {
    let query = GroupsQuery { feature: feature(), emptied_after, after: 0, limit: 1_000 };
    store.groups(query).await.expect("lists")
}

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

/// Who was in which hour's group since when, one entry a change.
type Model = Vec<(Timestamp, String, Option<u32>)>;

fn expected(model: &Model, hours: &[u32], as_of: Timestamp) -> BTreeSet<String> {
    let mut state = BTreeMap::new();
    for (_, name, hour) in model.iter().filter(|(at, ..)| *at <= as_of) {
        state.insert(name.clone(), *hour);
    }
    let is_in = |hour: &Option<u32>| hour.is_some_and(|hour| hours.contains(&hour));
    state.into_iter().filter(|(_, hour)| is_in(hour)).map(|(name, _)| name).collect()
}

async fn random_edit(store: &dyn Store, random: &mut StdRng, model: &mut Model) {
    let name = format!("user{}", random.random_range(0..40));
    let hour = random.random_range(0..6);
    let (wanted, hour) = match random.random_range(0..8) {
        0 => (None, None),
        1 => (Some(stated(r#"{"enabled":false}"#)), None),
        _ => (Some(stated(&daily(hour))), Some(hour)),
    };
    // Deleting what never was leaves nothing.
    if let Some(current) = write(store, &name, wanted).await {
        model.push((current.at, name, hour));
    }
}

async fn lists_as_of_any_past_instant_equal_a_simple_model(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    let random = &mut StdRng::seed_from_u64(7);
    let mut model = Model::new();
    let began = clock.now().as_microsecond();
    for round in 0..400 {
        random_edit(&*store, random, &mut model).await;
        if round % 4 != 0 {
            continue;
        }
        let as_of = at(random.random_range(began..=clock.now().as_microsecond()));
        let hours: Vec<u32> = (0..6).filter(|_| random.random()).collect();
        assert_eq!(names(&*store, &hours, as_of).await, expected(&model, &hours, as_of));
        lists_are_the_members_of_each(&*store, &model, &hours, as_of).await;
        let paged = paged_while_users_move(&*store, random, &mut model, &hours, as_of).await;
        assert_eq!(
            paged,
            expected(&model, &hours, as_of),
            "pages of one list, with edits between them"
        );
    }
    let now = whole_micros(clock.now());
    let groups = listed_groups(&*store, Timestamp::MIN).await.groups;
    for group in groups {
        let hour = (0..6).find(|hour| daily_group(*hour) == group.group).expect("one of ours");
        assert_eq!(group.count as usize, expected(&model, &[hour], now).len());
        assert_eq!(group.empty_since.is_some(), group.count == 0);
    }
}

/// Each hour is a list of its own, but the first two, which are one.
async fn lists_are_the_members_of_each(
    store: &dyn Store,
    model: &Model,
    hours: &[u32],
    as_of: Timestamp,
) {
    let (first, rest) = hours.split_at(hours.len().min(2));
    let wanted: Vec<&[u32]> = iter::once(first).chain(rest.chunks(1)).collect();
    let groups =
        wanted.iter().map(|hours| hours.iter().map(|hour| daily_group(*hour)).collect()).collect();
    let lists = store
        .member_lists(ListsQuery { feature: feature(), lists: groups, as_of, limit: 5_000 })
        .await
        .expect("lists");
    assert_eq!(lists.lists.len(), wanted.len());
    for (hours, list) in wanted.into_iter().zip(lists.lists) {
        let list = list.expect("there is room");
        assert!(list.members.is_sorted_by_key(|member| member.number));
        assert_eq!(list.count_as_of as usize, list.members.len(), "M8");
        let names: BTreeSet<String> =
            list.members.into_iter().map(|member| member.tenant_id).collect();
        assert_eq!(names, expected(model, hours, as_of));
    }
}

async fn paged_while_users_move(
    store: &dyn Store,
    random: &mut StdRng,
    model: &mut Model,
    hours: &[u32],
    as_of: Timestamp,
) -> BTreeSet<String> {
    let (mut names, mut after) = (Vec::new(), 0);
    loop {
        let list = page(store, hours, as_of, after, 3).await;
        after = list.members.last().map_or(after, |member| member.number);
        names.extend(list.members.into_iter().map(|member| member.tenant_id));
        if !list.has_more {
            break;
        }
        random_edit(store, random, model).await;
    }
    let distinct: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(distinct.len(), names.len(), "nobody is listed twice");
    distinct
}

async fn a_list_read_as_of_an_instant_never_changes_while_writers_move_users(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    let writers = (0..4).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..60 {
                put(
                    &*store,
                    &format!("user{}", (round * 7 + writer) % 20),
                    &daily((round + writer) % 3),
                )
                .await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut seen = Vec::new();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let now = whole_micros(clock.now());
        seen.push((now, names(&*store, &[0, 1, 2], now).await, names(&*store, &[1], now).await));
    }
    assert!(!seen.is_empty());
    for (as_of, all, one) in seen {
        assert_eq!(names(&*store, &[0, 1, 2], as_of).await, all, "as of {as_of}");
        assert_eq!(names(&*store, &[1], as_of).await, one, "as of {as_of}");
    }
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
    let (mut feed, mut complete_until, mut after) = (Vec::new(), Timestamp::MIN, 0);
    while feed.len() < (WRITERS * EDITS) as usize {
        commits.mark_unchanged();
        let page = store.changes(after, 10).await.expect("reads");
        assert!(page.changes.iter().all(|change| change.at > complete_until), "a change came late");
        complete_until = page.complete_until.max(complete_until);
        if page.changes.is_empty() {
            commits.changed().await.expect("the store is open");
        }
        after = page.next.split_once('-').expect("a position").1.parse().expect("a number");
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
