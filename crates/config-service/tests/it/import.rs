//! Import over REST.

mod csv;

use axum::body::{Body, Bytes};
use axum::http::{Method, header};
use futures_util::stream;
use serde_json::{Value, json};

use crate::{Answer, Fixture};

async fn import(fixture: &Fixture, lines: &[Value]) -> Answer {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    let body = lines.join("\n");
    fixture.call(Method::POST, "/preferences/import", body).await
}

fn row(tenant: &str, preference: Value) -> Value {
    json!({"tenant_id": tenant, "feature_type": "posts", "preference": preference})
}

fn statuses(answer: &Answer) -> Vec<String> {
    let status = |line: &Value| line["status"].as_str().expect("a status").to_owned();
    answer.lines().iter().map(status).collect()
}

#[tokio::test]
async fn each_line_has_its_result_and_the_good_ones_are_stored() {
    let fixture = Fixture::new().await;
    let long = format!("{{\"tenant_id\":\"{}\"}}", "x".repeat(1 << 20));
    let good = row("ann", json!({"frequency": "daily"})).to_string();
    let document = json!({"tenant_id": "bob", "config_key": "feature_preferences",
        "config_value": {"posts": {}, "mail": {}}})
    .to_string();
    let wrong = row("eve", json!({"preferred_time": "25:00"})).to_string();
    let body = [
        &good,
        "{broken",
        "",
        &document,
        &long,
        &wrong,
        &good,
        r#"{"tenant_id":"ian","feature_type":"posts","preference":{}}"#,
    ]
    .join("\n");
    let answer = fixture.call(Method::POST, "/preferences/import", body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header(header::CONTENT_TYPE)),
        (200, Some("application/x-ndjson"))
    );
    assert_eq!(
        statuses(&answer),
        ["stored", "refused", "stored", "refused", "refused", "unchanged", "stored"]
    );
    let lines = answer.lines();
    assert_eq!(lines[0], json!({"line": 1, "status": "stored", "tenant_id": "ann"}));
    assert!(lines[1]["detail"].as_str().is_some_and(|detail| detail.contains("line 1 column 2")));
    assert_eq!(
        (&lines[2]["line"], &lines[4]["line"]),
        (&json!(4), &json!(6)),
        "blank lines count and have no result"
    );
    assert_eq!(lines[4]["tenant_id"], "eve");
    assert_eq!(lines[4]["errors"][0]["pointer"], "/preference/preferred_time");
    assert_eq!(fixture.feed().await.len(), 4);
    fixture.get("/tenants/eve/preferences/posts").await.problem(404);
    assert_eq!(
        fixture.get("/tenants/bob/configs/feature_preferences").await.json()["config_value"],
        json!({"mail": {}, "posts": {}})
    );
}

#[tokio::test]
async fn a_document_line_leaves_the_other_features_alone() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    let document = json!({"tenant_id": "ann", "config_value": {"mail": {"frequency": "weekly"}}});
    assert_eq!(statuses(&import(&fixture, &[document]).await), ["stored"]);
    let read = fixture.get("/tenants/ann/configs/feature_preferences").await.json();
    assert_eq!(
        read["config_value"],
        json!({"mail": {"frequency": "weekly"}, "posts": {"frequency": "daily"}})
    );
}

#[tokio::test]
async fn the_last_line_of_a_user_wins() {
    let fixture = Fixture::new().await;
    let lines =
        ["hourly", "daily", "weekly"].map(|frequency| row("ann", json!({"frequency": frequency})));
    import(&fixture, &lines).await;
    assert_eq!(
        fixture.get("/tenants/ann/preferences/posts").await.json(),
        json!({"frequency": "weekly"})
    );
    let weekly = fixture.get("/features/posts/frequency-groups/weekly/-:-/users").await.json();
    assert_eq!(weekly["count_as_of"], 1);
    assert_eq!(
        fixture.get("/features/posts/frequency-groups/daily/-/users").await.json()["count_as_of"],
        0
    );
}

#[tokio::test]
async fn a_large_import_spans_transactions_and_counts_right() {
    let fixture = Fixture::new().await;
    let lines: Vec<_> = (0..12_000)
        .map(|user| {
            row(
                &format!("user{user}"),
                json!({"frequency": "daily", "preferred_time": format!("{:02}:00", user % 24)}),
            )
        })
        .collect();
    let answer = import(&fixture, &lines).await;
    let results = answer.lines();
    assert!(
        results
            .iter()
            .enumerate()
            .all(|(index, line)| line["line"] == index + 1 && line["status"] == "stored")
    );
    let groups = fixture.get("/features/posts/frequency-groups").await.json();
    let counts: Vec<u64> = groups["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| group["count"].as_u64().expect("a count"))
        .collect();
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (24, 12_000));
    let members =
        fixture.get("/features/posts/frequency-groups/daily/07:00/users?limit=5000").await.json();
    assert_eq!(
        members["members"].as_array().expect("members").len() as u64,
        members["count_as_of"].as_u64().expect("a count")
    );
    assert!(statuses(&import(&fixture, &lines).await).iter().all(|status| status == "unchanged"));
}

#[tokio::test]
async fn an_import_that_is_cut_off_stores_the_whole_lines_that_came() {
    let fixture = Fixture::new().await;
    let whole = format!("{}\n{{\"tenant_id\":\"bob\"", row("ann", json!({})));
    let pieces = [Ok(Bytes::from(whole)), Err(std::io::Error::other("cut off"))];
    let answer = fixture
        .call(Method::POST, "/preferences/import", Body::from_stream(stream::iter(pieces)))
        .await;
    assert_eq!(statuses(&answer), ["stored"]);
    assert_eq!(fixture.feed().await.len(), 1);
}
