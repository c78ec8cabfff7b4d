//! Features and groups of a real Config Database, and lists that do not add up.

use cohort_config_client::{ClientError, ConfigDatabaseClient};
use cohort_preferences::{FeatureDefinition, Frequency, Member, MembersRequest, TimeKey};
use futures_util::{StreamExt, TryStreamExt};
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
    let nobody = client.get_frequency_group_users(
        "instagram_posts",
        Frequency::Weekly,
        &"monday:09:00".parse().expect("a time key"),
    );
    assert_eq!(nobody.count().await, 0);
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
    let (member, page) = (
        |number: u64| {
            json!({"tenant_id": format!("u{number}"), "number": number, "version": 1,
            "member_since": "2026-11-01T00:00:00Z", "preference": null})
        },
        |numbers: &[Value], count: u64, next: Value| json!({"members": numbers, "count_as_of": count, "position": "9", "next_cursor": next}),
    );
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
        let server = Server::answering(move |seen| match seen.before {
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
