//! The specification's document.

use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::Fixture;

const PATH: &str = "/tenants/user123/configs/feature_preferences";

/// As it stands in the specification.
fn document() -> Value {
    json!({
        "tenant_id": "user123",
        "config_key": "feature_preferences",
        "config_value": {
            "instagram_posts": {
                "enabled": true, "frequency": "daily", "preferred_time": "09:00",
                "template_overrides": {"tone": "professional", "length": "medium"}
            },
            "etsy_analysis": {
                "enabled": true, "frequency": "weekly", "preferred_day": "monday",
                "preferred_time": "10:00",
                "template_overrides": {"focus_areas": ["pricing", "description"]}
            }
        }
    })
}

#[tokio::test]
async fn the_document_of_the_specification_is_stored_and_reads_back() {
    let fixture = Fixture::new().await;
    let created = fixture.put(PATH, &document()).await;
    assert_eq!((created.status.as_u16(), created.header(header::ETAG)), (201, Some("\"2\"")));
    let answer = created.json();
    assert_eq!(answer["version"], 2);
    assert_eq!(answer["features"]["instagram_posts"]["version"], 1);
    assert_eq!(answer["features"]["etsy_analysis"]["reason"], "depends_on_job");
    let read = fixture.get(PATH).await;
    assert_eq!((read.json(), read.header(header::ETAG)), (document(), Some("\"2\"")));
    let groups = fixture.get("/preferences/groups?feature_type=etsy_analysis").await.json();
    assert_eq!(groups["groups"][0]["time_key"], "monday:10:00");
}

#[tokio::test]
async fn a_put_writes_what_differs_and_deletes_what_it_omits_in_one_transaction() {
    let fixture = Fixture::new().await;
    let put = async |features: Value| fixture.put(PATH, &json!({"config_value": features})).await;
    put(json!({"a": {"frequency": "daily"}, "b": {"frequency": "daily"}, "c": {}})).await;
    let answer = put(json!({"a": {"frequency": "weekly"}, "c": {}, "d": {}})).await;
    assert_eq!((answer.status.as_u16(), answer.header(header::ETAG)), (200, Some("\"6\"")));
    let features = answer.json()["features"].clone();
    let versions = ["a", "b", "c", "d"].map(|feature| features[feature]["version"].clone());
    assert_eq!(versions, [2, 2, 1, 1].map(Value::from));
    assert_eq!(features["b"]["reason"], "disabled");
    let feed = fixture.feed().await;
    let second: Vec<_> = feed[3..]
        .iter()
        .map(|change| (change["feature_type"].clone(), change["kind"].clone()))
        .collect();
    assert_eq!(
        second,
        [("a", "set"), ("b", "deleted"), ("d", "set")]
            .map(|(feature, kind)| (json!(feature), json!(kind)))
    );
    assert!(
        feed[3..].iter().all(|change| change["at"] == feed[3]["at"]),
        "one transaction, one instant"
    );
    assert_eq!(
        fixture.get(PATH).await.json()["config_value"],
        json!({"a": {"frequency": "weekly"}, "c": {}, "d": {}})
    );
}

#[tokio::test]
async fn a_wrong_document_names_each_field_and_stores_nothing() {
    let fixture = Fixture::new().await;
    let mut wrong = document();
    wrong["config_value"]["etsy_analysis"]["preferred_day"] = json!("someday");
    wrong["extra"] = json!(1);
    assert_eq!(
        fixture.put(PATH, &wrong).await.pointers(),
        ["/extra", "/config_value/etsy_analysis/preferred_day"]
    );
    let mut other = document();
    other["tenant_id"] = json!("user124");
    assert_eq!(fixture.put(PATH, &other).await.pointers(), ["/tenant_id"]);
    assert_eq!(fixture.put(PATH, &json!([])).await.pointers(), [""]);
    fixture.get(PATH).await.problem(404);
    assert!(fixture.feed().await.is_empty());
}

#[tokio::test]
async fn preconditions_are_held_against_the_revision() {
    let fixture = Fixture::new().await;
    let put = async |header: (&str, &str)| {
        fixture.call_with(Method::PUT, PATH, header, document().to_string()).await
    };
    put(("if-match", "\"1\"")).await.problem(412);
    assert_eq!(put(("if-none-match", "*")).await.status, 201);
    put(("if-none-match", "*")).await.problem(412);
    let patched = fixture
        .call(Method::PATCH, "/tenants/user123/preferences/etsy_analysis", r#"{"enabled":false}"#)
        .await;
    assert_eq!(patched.status, 200);
    put(("if-match", "\"2\"")).await.problem(412);
    assert_eq!(put(("if-match", "\"3\"")).await.header(header::ETAG), Some("\"4\""));
    assert_eq!(
        fixture.call_with(Method::GET, PATH, ("if-none-match", "\"4\""), "").await.status,
        304
    );
}

#[tokio::test]
async fn deleting_a_document_deletes_each_preference_once() {
    let fixture = Fixture::new().await;
    fixture.call(Method::DELETE, PATH, "").await.problem(404);
    fixture.put(PATH, &document()).await;
    fixture.call_with(Method::DELETE, PATH, ("if-match", "\"1\""), "").await.problem(412);
    let deleted = fixture.call(Method::DELETE, PATH, "").await;
    assert_eq!((deleted.status.as_u16(), &deleted.json()["version"]), (200, &json!(4)));
    assert_eq!(deleted.json()["features"]["etsy_analysis"]["reason"], "disabled");
    fixture.get(PATH).await.problem(404);
    fixture.call(Method::DELETE, PATH, "").await.problem(404);
    assert_eq!(fixture.feed().await.len(), 4);
}

#[tokio::test]
async fn another_config_key_is_said_not_to_be_there() {
    let fixture = Fixture::new().await;
    let path = "/tenants/user123/configs/colours";
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let problem = fixture.call(method, path, "{}").await.problem(404);
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains("feature_preferences"))
        );
    }
}
