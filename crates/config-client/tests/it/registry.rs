//! Features and groups of a real Config Database, and lists that do not add up.

use cohort_config_client::{ClientError, ConfigDatabaseClient};
use cohort_preferences::{
    FeatureDefinition, FeatureType, Frequency, Member, MembersRequest, TimeKey,
};
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use crate::real::ConfigDatabase;
use crate::server::{Server, ok};

fn nine() -> TimeKey {
    "09:00".parse().expect("a time key")
}

fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.tenant_id.as_str()).collect()
}

#[tokio::test]
async fn features_are_registered_listed_and_shown() {
    let database = ConfigDatabase::new().await;
    let client = database.direct();
    assert_eq!(client.get_feature_types().await.expect("listed"), []);
    let definition = json!({"description": "Posts",
        "default_preferences": {"frequency": "weekly", "preferred_day": "monday"}});
    let definition = FeatureDefinition::from_json(&definition).expect("valid");
    let registered = client.set_feature_type("instagram_posts", &definition).await.expect("stored");
    assert_eq!((registered.version, &registered.definition), (1, &definition));
    assert_eq!(client.get_feature_type("instagram_posts").await.expect("there"), registered);
    assert_eq!(client.get_feature_types().await.expect("listed"), [registered]);
    let error = client.get_feature_type("stories").await.expect_err("not registered");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
}

#[tokio::test]
async fn the_users_of_a_frequency_and_time_come_from_every_zone_and_no_other_group() {
    let database = ConfigDatabase::new().await;
    let client = database.direct();
    database.set("ann", "09:00").await;
    database.set("bob", "10:00").await;
    let in_berlin =
        json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "Europe/Berlin"});
    client.set_feature_preference("eve", "instagram_posts", &in_berlin).await.expect("stored");
    let users = client.get_frequency_group_users("instagram_posts", Frequency::Daily, &nine());
    let users: Vec<Member> = users.try_collect().await.expect("listed");
    assert_eq!(names(&users), ["ann", "eve"]);
    let by_text = client.get_frequency_group_users("instagram_posts", "daily", "10:00");
    assert_eq!(names(&by_text.try_collect::<Vec<_>>().await.expect("listed")), ["bob"]);
}

#[tokio::test]
async fn users_of_a_group_or_feature_that_is_not_there_are_an_error() {
    let database = ConfigDatabase::new().await;
    let client = database.direct();
    database.set("ann", "09:00").await;
    let error = async |feature: &str, frequency: &str, time_key: &str| {
        let mut users = client.get_frequency_group_users(feature, frequency, time_key);
        users.try_next().await.expect_err("not there")
    };
    let unknown_group = error("instagram_posts", "weekly", "monday:09:00").await;
    assert!(matches!(unknown_group, ClientError::NoSuchGroup { .. }), "{unknown_group:?}");
    let unknown_feature = error("instagram_post", "daily", "09:00").await;
    assert_eq!(unknown_feature.to_string(), "the feature instagram_post has no group daily:09:00");
    for (frequency, time_key) in [("fortnightly", "09:00"), ("daily", "9am"), ("weekly", "09:00")] {
        let no_group = error("instagram_posts", frequency, time_key).await;
        assert!(matches!(no_group, ClientError::Group { .. }), "{no_group:?}");
    }
    let no_feature = error("instagram posts", "daily", "09:00").await;
    assert!(matches!(no_feature, ClientError::Name { .. }), "{no_feature:?}");
}

#[tokio::test]
async fn a_feature_that_nobody_uses_has_an_empty_list_of_groups() {
    let database = ConfigDatabase::new().await;
    let feature: FeatureType = "stories".parse().expect("a name");
    let list = database.direct().get_frequency_groups(&feature).await.expect("listed");
    assert_eq!((list.feature_type, list.groups), (feature, Vec::new()));
}

#[tokio::test]
async fn a_group_that_its_last_user_left_is_empty_and_no_error() {
    let database = ConfigDatabase::new().await;
    let client = database.direct();
    database.set("ann", "09:00").await;
    client.delete_feature_preference("ann", "instagram_posts").await.expect("deleted");
    let users = client.get_frequency_group_users("instagram_posts", Frequency::Daily, nine());
    assert_eq!(users.try_collect::<Vec<_>>().await.expect("known").len(), 0);
}

#[tokio::test]
async fn a_list_in_many_pages_is_one_list() {
    let database = ConfigDatabase::new().await;
    let client = database.direct();
    for number in 0..25 {
        database.set(&format!("u{number:02}"), "09:00").await;
    }
    let list = client.get_frequency_groups("instagram_posts").await.expect("listed");
    let groups = list.groups.into_iter().map(|summary| summary.group).collect();
    let request = MembersRequest {
        feature_type: list.feature_type,
        groups,
        as_of: list.complete_until,
        cursor: None,
        limit: Some(10),
    };
    let pages: Vec<_> = client.get_member_pages(request).try_collect().await.expect("listed");
    assert_eq!(pages.iter().map(|page| page.members.len()).collect::<Vec<_>>(), [10, 10, 5]);
}

#[tokio::test]
async fn a_list_that_comes_out_short_or_long_or_in_disorder_is_an_error() {
    let member = |number: u64| {
        json!({"tenant_id": format!("u{number}"), "number": number, "version": 1,
            "member_since": "2026-11-01T00:00:00Z", "preference": null})
    };
    let page = |members: &[Value], count: u64, next: Value| {
        let (position, next_cursor) = ("9", next);
        json!({"members": members, "count_as_of": count, "position": position,
            "next_cursor": next_cursor})
    };
    let end = Value::Null;
    let wrong = [
        vec![page(&[], 3, end.clone())],
        vec![page(&[member(1), member(2)], 1, end.clone())],
        vec![page(&[member(1)], 2, json!("more")), page(&[], 2, end.clone())],
        vec![page(&[member(1)], 2, json!("more")), page(&[member(2)], 3, end.clone())],
        vec![page(&[member(2)], 2, json!("more")), page(&[member(1)], 2, end)],
    ];
    for pages in wrong {
        let told = format!("{pages:?}");
        let server = Server::answering(move |request| match request.before {
            0 => ok(&json!({
                "feature_type": "instagram_posts", "position": "9",
                "complete_until": "2026-12-01T00:00:00Z",
                "groups": [{"frequency": "daily", "time_key": "09:00", "timezone": "-", "count": 2,
                    "since": "2026-11-01T00:00:00Z"}]
            })),
            page => ok(&pages[page - 1]),
        })
        .await;
        let error = list_of(&server.client()).await.expect_err(&told);
        assert!(matches!(error, ClientError::Garbage { .. }), "{error:?}");
    }
}

async fn list_of(client: &ConfigDatabaseClient) -> Result<Vec<Member>, ClientError> {
    client
        .get_frequency_group_users("instagram_posts", Frequency::Daily, &nine())
        .try_collect()
        .await
}
