//! What the client sends, and how it reads the responses.

use std::time::Duration;

use axum::http::StatusCode;
use cohort_config_client::{ImportLine, ImportStatus};
use cohort_preferences::{MembersRequest, StatedGroup, TenantId};
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use crate::server::{ReceivedRequest, Server, change_of, document, ok, problem, receipt};

fn body_of(request: &ReceivedRequest) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

#[tokio::test]
async fn a_tenant_is_encoded_in_the_path_and_the_key_goes_as_bearer() {
    let server = Server::answering(|_| ok(&document("user/ü ../x?", "09:00"))).await;
    server.client().get_user_preferences("user/ü ../x?").await.expect("answered");
    let request = server.received().remove(0);
    assert_eq!(
        request.line,
        "GET /api/v1/tenants/user%2F%C3%BC%20..%2Fx%3F/configs/feature_preferences"
    );
    assert_eq!(request.headers["authorization"], "Bearer hunter2");
}

#[tokio::test]
async fn groups_are_read_with_their_position() {
    let server = Server::answering(|_| {
        ok(&json!({
            "feature_type": "instagram_posts", "position": "9",
            "complete_until": "2026-12-01T00:00:00Z",
            "groups": [{"frequency": "weekly", "time_key": "monday:10:00", "timezone": "-",
                "count": 100, "since": "2026-11-01T00:00:00Z"}]
        }))
    })
    .await;
    let list = server.client().get_frequency_groups("instagram_posts").await.expect("answered");
    assert_eq!(list.groups[0].group.to_string(), "weekly:monday:10:00 -");
    assert_eq!((list.groups[0].count, list.position.as_str()), (100, "9"));
    assert_eq!(server.lines(), ["GET /api/v1/features/instagram_posts/frequency-groups"]);
}

#[tokio::test]
async fn members_are_asked_for_by_groups_and_instant() {
    let server = Server::answering(|_| {
        ok(&json!({
            "members": [{"tenant_id": "u1", "number": 4, "version": 2,
                "member_since": "2026-11-01T00:00:00Z",
                         "preference": {"frequency": "daily"}}],
            "count_as_of": 1, "position": "9", "next_cursor": null
        }))
    })
    .await;
    let request = MembersRequest {
        feature_type: "instagram_posts".parse().expect("valid"),
        groups: vec![StatedGroup::parse("daily", "09:00", "UTC").expect("valid")],
        as_of: "2026-12-01T09:00:00Z".parse().expect("valid"),
        cursor: None,
        limit: Some(500),
    };
    let page = server.client().get_frequency_group_members(&request).await.expect("answered");
    assert_eq!(
        page.members[0].preference.as_ref().expect("set").get(),
        r#"{"frequency": "daily"}"#.replace(' ', "")
    );
    let request = server.received().remove(0);
    assert_eq!(request.line, "POST /api/v1/preferences/groups/members");
    assert_eq!(
        body_of(&request)["groups"],
        json!([{"frequency": "daily", "time_key": "09:00", "timezone": "UTC"}])
    );
}

#[tokio::test]
async fn preferences_of_many_users_are_asked_for_in_thousands() {
    let server = Server::answering(|request| {
        let asked = body_of(&request)["tenant_ids"].as_array().expect("a list").clone();
        let entries: Vec<Value> = asked
            .iter()
            .map(|tenant| json!({"tenant_id": tenant, "version": 1, "preference": null}))
            .collect();
        ok(&json!({"preferences": entries, "position": request.before.to_string()}))
    })
    .await;
    let tenants: Vec<TenantId> =
        (0..2500).map(|number| format!("u{number}").parse().expect("valid")).collect();
    let all = server.client().get_preferences("instagram_posts", &tenants).await.expect("answered");
    assert!(all.preferences.iter().map(|entry| &entry.tenant_id).eq(&tenants));
    assert_eq!(all.position, "0");
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn settings_of_other_users_than_those_asked_for_are_refused() {
    let server = Server::answering(|_| ok(&json!({"preferences": [], "position": "1"}))).await;
    let asked = ["u1".parse().expect("valid")];
    server.client().get_preferences("instagram_posts", &asked).await.expect_err("one is missing");
}

#[tokio::test]
async fn changes_are_asked_for_since_a_cursor_and_waited_for() {
    let server = Server::answering(|_| ok(&change_of("user123"))).await;
    let client = server.client();
    let page =
        client.get_preference_changes(Some("6"), Duration::from_mins(5)).await.expect("answered");
    assert_eq!((page.next.as_str(), page.changes.len()), ("7", 1));
    client.get_preference_changes(None, Duration::ZERO).await.expect("answered");
    assert_eq!(
        server.lines(),
        [
            "GET /api/v1/preferences/changes?wait=30&since_id=6",
            "GET /api/v1/preferences/changes?wait=0"
        ]
    );
}

#[tokio::test]
async fn a_document_is_put_as_the_specification_writes_it() {
    let server = Server::answering(|_| {
        ok(&json!({"version": 5, "features": {"instagram_posts": receipt()}}))
    })
    .await;
    let sent = document("user123", "09:00");
    let config_value = sent["config_value"].as_object().expect("an object");
    let stored =
        server.client().set_user_preferences("user123", config_value).await.expect("stored");
    assert_eq!((stored.version, stored.features.len()), (5, 1));
    let request = server.received().remove(0);
    assert_eq!(request.line, "PUT /api/v1/tenants/user123/configs/feature_preferences");
    assert_eq!(body_of(&request), sent);
}

#[tokio::test]
async fn a_presented_key_is_verified_as_itself() {
    let server = Server::answering(|request| {
        if request.headers["authorization"] == "Bearer theirs" {
            ok(&json!({"name": "dashboard", "scopes": ["read"]}))
        } else {
            problem(StatusCode::UNAUTHORIZED, "unknown key", &json!([]))
        }
    })
    .await;
    let client = server.client();
    let known = client.verify_key("theirs").await.expect("answered").expect("known");
    assert_eq!(
        (known.name.as_str(), known.scopes.as_slice()),
        ("dashboard", ["read".to_owned()].as_slice())
    );
    assert_eq!(client.verify_key("wrong").await.expect("answered"), None);
    assert_eq!(client.verify_key("no token").await.expect("nothing sent"), None);
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn an_import_gives_a_result_for_each_line() {
    let server = Server::answering(|request| {
        assert_eq!(request.body, "one\ntwo\n");
        let stored = json!({"line": 1, "status": "stored", "tenant_id": "u1"});
        let errors = json!([{"pointer": "/config_value", "detail": "missing"}]);
        let refused = json!({"line": 2, "status": "refused", "tenant_id": null,
            "detail": "1 field is wrong", "errors": errors});
        axum::response::Response::new(format!("{stored}\n{refused}\n").into())
    })
    .await;
    let results = server.client().import(&b"one\ntwo\n"[..]).await.expect("accepted");
    let results: Vec<ImportLine> = results.try_collect().await.expect("two results");
    let statuses: Vec<ImportStatus> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [ImportStatus::Stored, ImportStatus::Refused]);
    assert_eq!(results[1].errors[0].pointer, "/config_value");
}
