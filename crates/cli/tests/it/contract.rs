//! The client of the Config Database against the real service, on loopback: both sides mean the
//! same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cohort_batch_agent::SystemClock;
use cohort_config_client::{ClientError, ConfigDatabaseClient};
use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};
use cohort_preferences::{
    Clock, FeatureType, MembersRequest, NextRun, NoNextRun, StatedGroup, TenantId,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::handler::serve;

pub(crate) struct Fixture {
    pub(crate) service: ConfigService,
    pub(crate) client: ConfigDatabaseClient,
    pub(crate) base: String,
    pub(crate) key: String,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options =
            ConfigServiceOptions::sqlite(folder.path().join("config.db"), Arc::new(SystemClock));
        let service = ConfigService::open(options).await.expect("opened");
        let key = service.create_key("contract", Scope::Admin).await.expect("made");
        let base = format!("http://{}/api/v1", serve(service.router()).await);
        let client = client(&base, &key);
        Self { service, client, base, key, _folder: folder }
    }

    pub(crate) async fn set(&self, tenant: &str, preference: &Value) {
        self.client.set_feature_preference(tenant, "posts", preference).await.expect("stored");
    }

    /// The groups of the feature that have members, with the number of these.
    pub(crate) async fn groups(&self) -> Vec<(StatedGroup, u64)> {
        let list = self.client.get_frequency_groups("posts").await.expect("listed");
        list.groups
            .into_iter()
            .filter(|group| group.count > 0)
            .map(|group| (group.group, group.count))
            .collect()
    }
}

pub(crate) fn client(base: &str, key: &str) -> ConfigDatabaseClient {
    ConfigDatabaseClient::builder(base).api_key(key).build().expect("a client")
}

pub(crate) fn daily(time: &str) -> Value {
    json!({"frequency": "daily", "preferred_time": time, "timezone": "UTC"})
}

fn tenants(names: &[&str]) -> Vec<TenantId> {
    names.iter().map(|name| name.parse().expect("a name")).collect()
}

fn posts() -> FeatureType {
    "posts".parse().expect("a name")
}

fn members_request(groups: Vec<StatedGroup>) -> MembersRequest {
    MembersRequest {
        feature_type: posts(),
        groups,
        as_of: SystemClock.now(),
        cursor: None,
        limit: None,
    }
}

fn refusal(error: &ClientError) -> (u16, Vec<&str>) {
    match error {
        ClientError::Refused { problem, .. } => (
            problem.status.as_u16(),
            problem.errors.iter().map(|error| error.pointer.as_str()).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_document_reads_back_as_it_was_stored_and_is_gone_when_deleted() {
    let fixture = Fixture::new().await;
    let client = &fixture.client;
    let unknown = client.get_user_preferences("ann").await.expect_err("nobody knows ann");
    assert_eq!(refusal(&unknown).0, 404);

    let mut features = Map::new();
    features.insert(
        "posts".into(),
        json!({"frequency": "daily", "preferred_time": "09:00",
            "template_overrides": {"tone": "dry"}}),
    );
    features.insert("stories".into(), json!({"enabled": false, "frequency": "weekly"}));
    let receipt = client.set_user_preferences("ann", &features).await.expect("stored");
    assert_eq!(receipt.features.len(), 2);
    let document = client.get_user_preferences("ann").await.expect("there");
    assert_eq!((document.tenant_id().as_str(), document.features().count()), ("ann", 2));
    assert_eq!(document.feature_as_json("posts"), Some(&features["posts"]));
    assert_eq!(document.etag(), Some(format!("\"{}\"", receipt.version).as_str()));

    // What the next document omits is deleted, and the cache does not remember it.
    features.shift_remove("stories");
    client.set_user_preferences("ann", &features).await.expect("stored");
    let document = client.get_user_preferences("ann").await.expect("there");
    assert!(document.feature("stories").is_none());

    client.delete_user_preferences("ann").await.expect("deleted");
    assert_eq!(refusal(&client.get_user_preferences("ann").await.expect_err("gone")).0, 404);
    assert_eq!(refusal(&client.delete_user_preferences("ann").await.expect_err("gone")).0, 404);
}

#[tokio::test]
async fn names_with_every_kind_of_character_are_the_same_on_both_sides() {
    let fixture = Fixture::new().await;
    for name in ["a b", "a/b", "a%2Fb", "ü🦀", "a?b#c", "a+b&c=d", "..a", "\"'\\"] {
        fixture.set(name, &daily("09:00")).await;
        let document = fixture.client.get_user_preferences(name).await.expect("there");
        assert_eq!(document.tenant_id().as_str(), name);
    }
    assert_eq!(fixture.groups().await[0].1, 8, "eight users and no more");
}

#[tokio::test]
async fn a_write_says_its_version_and_when_it_runs_next() {
    let fixture = Fixture::new().await;
    let set = async |preference: Value| {
        fixture.client.set_feature_preference("ann", "posts", &preference).await.expect("stored")
    };
    let first = set(daily("09:00")).await;
    let NextRun::At { next_run } = &first.next_run else { panic!("{first:?}") };
    assert_eq!((first.version, next_run.timezone.as_str()), (1, "UTC"));
    assert!(next_run.at > first.takes_effect_at);
    assert!(next_run.nominal.to_string().ends_with("T09:00"));
    let disabled = set(json!({"enabled": false, "frequency": "daily"})).await;
    assert_eq!((disabled.version, disabled.next_run), (2, NextRun::unknown(NoNextRun::Disabled)));
    let unstated = set(json!({"frequency": "daily"})).await;
    assert_eq!(
        (unstated.version, unstated.next_run),
        (3, NextRun::unknown(NoNextRun::DependsOnJob))
    );
    let deleted = fixture.client.delete_feature_preference("ann", "posts").await.expect("deleted");
    assert_eq!(deleted.version, 4);
    assert_eq!(set(daily("09:00")).await.version, 5, "a version survives the deletion");
}

#[tokio::test]
async fn a_refusal_names_each_wrong_field() {
    let fixture = Fixture::new().await;
    let wrong =
        json!({"frequency": "daily", "preferred_time": "25:00", "timezone": "Europe/Atlantis"});
    let error =
        fixture.client.set_feature_preference("ann", "posts", &wrong).await.expect_err("refused");
    let (status, pointers) = refusal(&error);
    assert_eq!((status, pointers), (422, vec!["/preferred_time", "/timezone"]));
    assert!(!error.is_transient());
    assert!(fixture.groups().await.is_empty());
}

#[tokio::test]
async fn groups_are_what_users_stated_with_their_counts() {
    let fixture = Fixture::new().await;
    assert!(fixture.groups().await.is_empty());
    for tenant in ["ann", "bob"] {
        fixture.set(tenant, &daily("09:00")).await;
    }
    fixture
        .set("eve", &json!({"frequency": "weekly", "preferred_day": ["thursday", "monday"]}))
        .await;
    fixture.set("off", &json!({"enabled": false, "frequency": "daily"})).await;
    let groups: Vec<(String, u64)> = fixture
        .groups()
        .await
        .into_iter()
        .map(|(group, count)| (group.to_string(), count))
        .collect();
    assert_eq!(
        groups,
        [("daily:09:00 UTC".to_owned(), 2), ("weekly:monday,thursday:- -".to_owned(), 1)]
    );
}

#[tokio::test]
async fn members_come_page_by_page_each_once_and_as_of_one_instant() {
    let fixture = Fixture::new().await;
    let names: Vec<String> = (0..23).map(|number| format!("user-{number:02}")).collect();
    for (number, name) in names.iter().enumerate() {
        fixture.set(name, &daily(if number % 2 == 0 { "09:00" } else { "10:00" })).await;
    }
    let groups: Vec<StatedGroup> =
        fixture.groups().await.into_iter().map(|(group, _)| group).collect();
    assert_eq!(groups.len(), 2);
    let mut request = MembersRequest { limit: Some(5), ..members_request(groups) };
    let mut sizes = Vec::new();
    let mut listed = Vec::new();
    loop {
        let page = fixture.client.get_frequency_group_members(&request).await.expect("listed");
        assert_eq!(page.count_as_of, 23);
        sizes.push(page.members.len());
        listed.extend(page.members);
        // Whoever leaves now was a member then.
        fixture.set(&names[22 - sizes.len()], &json!({"enabled": false})).await;
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [5, 5, 5, 5, 3]);
    assert!(listed.is_sorted_by(|a, b| a.number < b.number));
    let distinct: BTreeSet<&str> = listed.iter().map(|member| member.tenant_id.as_str()).collect();
    assert_eq!(distinct, names.iter().map(String::as_str).collect());
    assert!(listed.iter().all(|member| member.preference.is_some() && member.version >= 1));
}

#[tokio::test]
async fn members_as_of_the_future_are_not_answered_before_it_has_come() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &daily("09:00")).await;
    let groups = fixture.groups().await.into_iter().map(|(group, _)| group).collect();
    let as_of = SystemClock.now() + Duration::from_millis(300);
    let request = MembersRequest { as_of, ..members_request(groups) };
    let page = fixture.client.get_frequency_group_members(&request).await.expect("listed");
    assert!(SystemClock.now() >= as_of);
    assert_eq!((page.members.len(), page.count_as_of), (1, 1));
}

#[tokio::test]
async fn users_asked_for_come_in_the_order_asked_known_or_not() {
    let fixture = Fixture::new().await;
    fixture.set("bob", &daily("10:00")).await;
    fixture.set("bob", &daily("11:00")).await;
    fixture.set("ann", &daily("09:00")).await;
    fixture.client.delete_feature_preference("ann", "posts").await.expect("deleted");
    let asked = tenants(&["nobody", "bob", "ann", "nobody-either"]);
    let batch = fixture.client.get_preferences(&posts(), &asked).await.expect("answered");
    let told: Vec<(&str, u64, bool)> = batch
        .preferences
        .iter()
        .map(|entry| (entry.tenant_id.as_str(), entry.version, entry.preference.is_some()))
        .collect();
    assert_eq!(
        told,
        [("nobody", 0, false), ("bob", 2, true), ("ann", 2, false), ("nobody-either", 0, false)]
    );

    // More than one request holds.
    let many: Vec<TenantId> =
        (0..2_101).map(|number| format!("user-{number}").parse().expect("a name")).collect();
    let batch = fixture.client.get_preferences(&posts(), &many).await.expect("answered");
    assert_eq!(batch.preferences.len(), 2_101);
    assert!(batch.preferences.iter().all(|entry| entry.version == 0 && entry.preference.is_none()));
    let none = fixture.client.get_preferences(&posts(), &[]).await.expect("answered");
    assert_eq!(none.preferences.len(), 0);
}
