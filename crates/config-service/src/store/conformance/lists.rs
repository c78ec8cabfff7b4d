//! Tenants, histories, and what became of members.

use std::collections::BTreeSet;
use std::sync::Arc;

use cohort_preferences::{FeatureType, Labels, OwnZone, StatedGroup, TenantFilter, TenantId};
use jiff::Timestamp;
use serde_json::json;

use super::kit::{Hand, Promise, daily, daily_group, feature, put, stated, tenant, write};
use crate::cursor::{Position, TenantsAfter};
use crate::error::ConfigServiceError;
use crate::store::Store;
use crate::store::edit::{Edit, Edited, Profile, Wanted};
use crate::store::list::{ChosenQuery, GroupsQuery, MovedList, MovedQuery, TenantsQuery};
use crate::store::settled::whole_micros;

pub(super) const ALL: [Promise; 10] = [
    |store, _| Box::pin(tenants_are_found_by_prefix_and_by_label(store)),
    |store, _| Box::pin(a_list_of_tenants_goes_on_behind_its_last(store)),
    |store, _| Box::pin(another_timezone_moves_those_who_state_none(store)),
    |store, _| Box::pin(a_history_tells_every_change_newest_first(store)),
    |store, _| Box::pin(documents_come_in_pages_with_everything(store)),
    |store, _| Box::pin(groups_come_in_pages_by_number(store)),
    |store, clock| Box::pin(who_never_stated_a_preference_is_known_as_of_any_instant(store, clock)),
    |store, clock| Box::pin(tenants_are_chosen_as_of_an_instant_and_counted_apart(store, clock)),
    |store, _| Box::pin(the_zones_that_tenants_call_their_own_are_listed_once(store)),
    |store, clock| {
        Box::pin(what_became_of_members_equals_the_difference_of_two_lists(store, clock))
    },
];

fn labels(labels: serde_json::Value) -> Labels {
    Labels::from_json(&labels, "").expect("labels")
}

async fn set_profile(
    store: &dyn Store,
    name: &str,
    timezone: Option<&str>,
    own: serde_json::Value,
) -> Edited {
    let profile = Profile {
        timezone: timezone.map(|zone| zone.parse().expect("a zone")),
        labels: labels(own),
    };
    let wanted = Wanted { profile: Some(profile), ..Wanted::default() };
    let edit = Edit {
        tenant: tenant(name),
        feature: None,
        actor: "test".into(),
        decide: Box::new(move |_| Ok(wanted)),
    };
    store.edit(edit).await.expect("edits")
}

async fn found(store: &dyn Store, query: TenantsQuery) -> Vec<String> {
    let tenants = store.tenants(TenantsQuery { limit: 100, ..query }).await.expect("lists");
    tenants.into_iter().map(|tenant| tenant.tenant_id.to_string()).collect()
}

async fn tenants_are_found_by_prefix_and_by_label(store: Arc<dyn Store>) {
    set_profile(&*store, "user-b", None, json!({"plan": "free"})).await;
    set_profile(&*store, "user-a", None, json!({"plan": "paid", "team": "x"})).await;
    set_profile(&*store, "other", None, json!({"plan": "free"})).await;
    put(&*store, "user-ü", &daily(9)).await;
    let prefix =
        |prefix: &str| TenantsQuery { prefix: Some(prefix.into()), ..TenantsQuery::default() };
    let label = |label: &str| TenantsQuery {
        label: Some(label.parse().expect("a label")),
        ..TenantsQuery::default()
    };
    assert_eq!(
        found(&*store, prefix("user-")).await,
        ["user-a", "user-b", "user-ü"],
        "in the order of ids"
    );
    assert_eq!(
        found(&*store, TenantsQuery::default()).await,
        ["user-b", "user-a", "other", "user-ü"],
        "in the order of coming"
    );
    assert_eq!(found(&*store, label("plan:free")).await, ["user-b", "other"]);
    assert_eq!(
        found(&*store, TenantsQuery { prefix: Some("user".into()), ..label("plan:free") }).await,
        ["user-b"]
    );
    let before = store.tenant(&tenant("other")).await.expect("reads").expect("there").created_at;
    assert_eq!(
        found(&*store, TenantsQuery { as_of: before, ..TenantsQuery::default() }).await,
        ["user-b", "user-a", "other"]
    );
    set_profile(&*store, "other", None, json!({})).await;
    assert_eq!(found(&*store, label("plan:free")).await, ["user-b"]);
    assert_eq!(
        store.labels(vec![tenant("user-a"), tenant("other")]).await.expect("reads").len(),
        1
    );
}

async fn a_list_of_tenants_goes_on_behind_its_last(store: Arc<dyn Store>) {
    for name in ["c", "a", "d", "b"] {
        set_profile(&*store, name, None, json!({"k": "v"})).await;
    }
    let queries = [
        (TenantsQuery::default(), ["c", "a", "d", "b"]),
        (
            TenantsQuery { prefix: Some(String::new()), ..TenantsQuery::default() },
            ["a", "b", "c", "d"],
        ),
        (
            TenantsQuery {
                label: Some("k:v".parse().expect("a label")),
                ..TenantsQuery::default()
            },
            ["c", "a", "d", "b"],
        ),
    ];
    for (query, expected) in queries {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = store
                .tenants(TenantsQuery { limit: 1, after, ..query.clone() })
                .await
                .expect("lists");
            let Some(last) = page.last() else { break };
            after =
                Some(TenantsAfter { number: last.number, tenant_id: last.tenant_id.to_string() });
            names.extend(page.into_iter().map(|tenant| tenant.tenant_id.to_string()));
        }
        assert_eq!(names, expected);
    }
}

async fn another_timezone_moves_those_who_state_none(store: Arc<dyn Store>) {
    let own: FeatureType = "own".parse().expect("a feature");
    put(&*store, "ann", r#"{"frequency":"daily"}"#).await;
    let states = stated(r#"{"frequency":"daily","timezone":"UTC"}"#);
    let wanted = Wanted::preference(own.clone(), Some(states));
    let edit = Edit {
        tenant: tenant("ann"),
        feature: None,
        actor: "test".into(),
        decide: Box::new(move |_| Ok(wanted)),
    };
    store.edit(edit).await.expect("edits");
    let edited = set_profile(&*store, "ann", Some("Asia/Tokyo"), json!({})).await;
    assert_eq!((edited.after.profile_version, edited.after.preferences[&own].version), (1, 1));
    let tenant = store.tenant(&tenant("ann")).await.expect("reads").expect("there");
    assert_eq!(
        tenant.profile.timezone.map(|zone| zone.name().to_owned()),
        Some("Asia/Tokyo".into())
    );
    let member = tenant.preferences[&feature()].member.clone().expect("a member");
    assert_eq!(member.group, StatedGroup::parse("daily", "-", "Asia/Tokyo").expect("a group"));
    assert_eq!(tenant.preferences[&feature()].json.as_deref(), Some(r#"{"frequency":"daily"}"#));
    let feed = super::everything(&*store).await;
    assert_eq!(feed.len(), 3, "the profile itself is no change of a preference");
    assert!(feed[2].left.is_some() && feed[2].joined.is_some());
}

async fn a_history_tells_every_change_newest_first(store: Arc<dyn Store>) {
    put(&*store, "ann", &daily(9)).await;
    set_profile(&*store, "ann", None, json!({"plan": "free"})).await;
    put(&*store, "bob", &daily(9)).await;
    put(&*store, "ann", &daily(10)).await;
    write(&*store, "ann", None).await;
    let history = async |feature, before, limit| {
        store.history(&tenant("ann"), feature, before, limit).await.expect("reads")
    };
    let all = history(None, i64::MAX, 100).await;
    let told: Vec<_> = all
        .iter()
        .map(|entry| (entry.version, entry.before.is_some(), entry.after.is_some()))
        .collect();
    assert_eq!(told, [(3, true, false), (2, true, true), (1, false, true), (1, false, true)]);
    assert_eq!(
        (all[1].before.as_deref(), all[1].after.as_deref()),
        (Some(&*daily(9)), Some(&*daily(10)))
    );
    assert_eq!((all[2].feature.clone(), all[2].actor.as_str()), (None, "test"), "the profile");
    let second = history(None, all[1].change, 1).await;
    assert_eq!(second.iter().map(|entry| entry.change).collect::<Vec<_>>(), [all[2].change]);
    assert_eq!(history(Some(feature()), i64::MAX, 100).await.len(), 3);
    assert!(store.history(&tenant("nobody"), None, i64::MAX, 9).await.expect("reads").is_empty());
}

async fn documents_come_in_pages_with_everything(store: Arc<dyn Store>) {
    for name in ["ann", "bob", "cem"] {
        put(&*store, name, &daily(9)).await;
    }
    set_profile(&*store, "bob", Some("UTC"), json!({"plan": "free"})).await;
    let first = store.documents(0, 2).await.expect("reads");
    assert_eq!(
        first.iter().map(|stored| stored.tenant_id.as_str()).collect::<Vec<_>>(),
        ["ann", "bob"]
    );
    assert_eq!(first[1].tenant.profile.labels, labels(json!({"plan": "free"})));
    assert_eq!(first[0].tenant.live().count(), 1);
    let last = first[1].tenant.number.expect("a number") as u64;
    assert_eq!(store.documents(last, 2).await.expect("reads").len(), 1);
    let stated = store.stated(&feature(), 0, 10).await.expect("reads");
    assert_eq!(
        stated.iter().map(|stated| stated.tenant_id.as_str()).collect::<Vec<_>>(),
        ["ann", "bob", "cem"]
    );
    assert_eq!(stated[1].profile.labels, labels(json!({"plan": "free"})));
}

async fn groups_come_in_pages_by_number(store: Arc<dyn Store>) {
    for hour in 0..5 {
        put(&*store, &format!("user{hour}"), &daily(hour)).await;
    }
    let (mut hours, mut after) = (Vec::new(), 0);
    loop {
        let query =
            GroupsQuery { feature: feature(), emptied_after: Timestamp::MIN, after, limit: 2 };
        let page = store.groups(query).await.expect("lists");
        hours.extend(page.groups.into_iter().map(|group| group.group));
        let Some(last) = page.more_after else { break };
        after = last;
    }
    assert_eq!(hours, (0..5).map(daily_group).collect::<Vec<_>>());
}

async fn who_never_stated_a_preference_is_known_as_of_any_instant(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    use cohort_preferences::Clock;
    let other: FeatureType = "other".parse().expect("a feature");
    let unstated = async |feature: &FeatureType, as_of: Timestamp| -> BTreeSet<String> {
        let as_of = whole_micros(as_of);
        let filter = TenantFilter { unstated: Some(feature.clone()), ..TenantFilter::default() };
        let page =
            store.chosen(ChosenQuery { filter, as_of, after: 0, limit: 100 }).await.expect("lists");
        assert_eq!((page.more_after, page.count_as_of), (None, Some(page.tenants.len() as u64)));
        page.tenants.into_iter().map(|tenant| tenant.tenant_id).collect()
    };
    let ann = put(&*store, "ann", &daily(9)).await.at;
    let between = clock.now();
    let bob = set_profile(&*store, "bob", None, json!({"plan": "free"}))
        .await
        .after
        .created_at
        .expect("there");
    let stated = put(&*store, "bob", &daily(9)).await.at;
    write(&*store, "bob", None).await;
    let now = clock.now();
    let names =
        |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(unstated(&other, ann).await, names(&["ann"]));
    assert_eq!(unstated(&other, now).await, names(&["ann", "bob"]));
    assert_eq!(unstated(&feature(), between).await, names(&[]));
    assert!(bob < stated);
    assert_eq!(unstated(&feature(), bob).await, names(&["bob"]));
    assert_eq!(
        unstated(&feature(), now).await,
        names(&[]),
        "a deleted preference was stated all the same"
    );
}

async fn tenants_are_chosen_as_of_an_instant_and_counted_apart(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    use cohort_preferences::Clock;
    set_profile(&*store, "ann", Some("Europe/Berlin"), json!({"plan": "free", "team": "x"})).await;
    set_profile(&*store, "bob", None, json!({"plan": "free"})).await;
    let two = clock.now();
    set_profile(&*store, "cid", Some("Asia/Tokyo"), json!({"plan": "paid"})).await;
    let three = clock.now();
    store.erase(&tenant("bob"), "test".into()).await.expect("erases");
    let now = clock.now();
    let chosen = async |filter: TenantFilter, as_of: Timestamp, after: u64, limit: usize| {
        store
            .chosen(ChosenQuery { filter, as_of: whole_micros(as_of), after, limit })
            .await
            .expect("lists")
    };
    let names = async |filter: TenantFilter, as_of: Timestamp| -> Vec<String> {
        let page = chosen(filter, as_of, 0, 100).await;
        assert_eq!(page.count_as_of, Some(page.tenants.len() as u64));
        page.tenants.into_iter().map(|tenant| tenant.tenant_id).collect()
    };
    let labelled =
        |own: serde_json::Value| TenantFilter { labels: labels(own), ..TenantFilter::default() };
    let in_zones = |zones: &[Option<&str>]| {
        let zones =
            zones.iter().map(|zone| OwnZone(zone.map(|name| name.parse().expect("a zone"))));
        TenantFilter { timezones: zones.collect(), ..TenantFilter::default() }
    };
    assert_eq!(
        names(TenantFilter::default(), two).await,
        ["ann", "erased:2"],
        "who was erased since stands as a number"
    );
    assert_eq!(names(TenantFilter::default(), three).await, ["ann", "erased:2", "cid"]);
    assert_eq!(names(TenantFilter::default(), now).await, ["ann", "cid"]);
    assert_eq!(names(labelled(json!({"plan": "free", "team": "x"})), now).await, ["ann"]);
    assert_eq!(names(in_zones(&[Some("Asia/Tokyo"), None]), now).await, ["cid"]);
    let named = TenantFilter {
        tenant_ids: vec![tenant("cid"), tenant("nobody")],
        ..TenantFilter::default()
    };
    assert_eq!(names(named, now).await, ["cid"]);
    let first = chosen(TenantFilter::default(), three, 0, 1).await;
    assert_eq!((first.tenants.len(), first.more_after, first.count_as_of), (1, Some(1), Some(3)));
    let second = chosen(TenantFilter::default(), three, 1, 1).await;
    assert_eq!(
        (second.more_after, second.count_as_of),
        (Some(2), None),
        "the whole list is not counted on every page"
    );
    assert!(second.tenants[0].is_erased);
}

async fn the_zones_that_tenants_call_their_own_are_listed_once(store: Arc<dyn Store>) {
    for (name, zone) in [("a", Some("Europe/Berlin")), ("b", None), ("c", Some("Europe/Berlin"))] {
        set_profile(&*store, name, zone, json!({})).await;
    }
    let first = store.tenant(&tenant("a")).await.expect("reads").expect("there").created_at;
    let zones = store.timezones().await.expect("lists");
    let berlin = zones.iter().find(|zone| zone.timezone.text() == "Europe/Berlin").expect("listed");
    assert_eq!((zones.len(), Some(berlin.since)), (2, first));
    assert!(zones.iter().any(|zone| zone.timezone == OwnZone(None)));
}

async fn what_became_of_members_equals_the_difference_of_two_lists(
    store: Arc<dyn Store>,
    clock: Arc<Hand>,
) {
    use cohort_preferences::Clock;
    for name in ["stays", "leaves", "edits", "moves"] {
        put(&*store, name, &daily(9)).await;
    }
    let since = store.newest_change().await.map(Position::from).expect("reads");
    write(&*store, "leaves", None).await;
    put(
        &*store,
        "edits",
        r#"{"frequency":"daily","preferred_time":"09:00","timezone":"UTC",
            "template_overrides":{"tone":"x"}}"#,
    )
    .await;
    put(&*store, "comes", &daily(9)).await;
    put(&*store, "moves", &daily(10)).await;
    let as_of = whole_micros(clock.now());
    put(&*store, "stays", &daily(11)).await;
    let query = |since, limit| MovedQuery {
        feature: feature(),
        groups: vec![daily_group(9)],
        as_of,
        since,
        limit,
    };
    let moved: MovedList = store.moved(query(since, 10)).await.expect("reads");
    let members: Vec<_> = moved.members.iter().map(|member| member.tenant_id.as_str()).collect();
    assert_eq!(members, ["stays", "edits", "comes"]);
    assert_eq!((moved.gone.len(), moved.count_as_of), (2, 3));
    assert!(matches!(store.moved(query(since, 4)).await, Err(ConfigServiceError::CursorGone)));
    assert!(matches!(
        store.moved(query(1_000.into(), 4)).await,
        Err(ConfigServiceError::CursorGone)
    ));
    let edits: TenantId = tenant("edits");
    assert_eq!(
        moved
            .members
            .iter()
            .find(|member| member.tenant_id == edits.as_str())
            .expect("a member")
            .version,
        2
    );
}
