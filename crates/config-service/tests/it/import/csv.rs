//! Import of CSV over REST.

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, header};
use futures_util::stream;
use serde_json::json;

use crate::{Answer, Fixture};

async fn import(fixture: &Fixture, body: impl Into<Body>) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/preferences/import")
        .header(header::AUTHORIZATION, format!("Bearer {}", fixture.key))
        .header(header::CONTENT_TYPE, "text/csv; charset=utf-8");
    fixture.send(request.body(body.into()).expect("a request")).await
}

#[tokio::test]
async fn each_record_has_its_result_named_by_its_first_line() {
    let fixture = Fixture::new().await;
    let body = concat!(
        "feature_type,tenant_id,frequency,preferred_time,template_overrides\r\n",
        "posts,ann,daily,09:00,\"{\r\n \"\"tone\"\": \"\"warm\"\"}\"\r\n",
        "\r\n",
        "posts,bob,daily,25:00,\r\n",
        "posts,eve,weekly\r\n",
        ",,,,\r\n",
        "posts,ann,daily,09:00,\"{\"\"tone\"\":\"\"warm\"\"}\"",
    );
    let answer = import(&fixture, body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header(header::CONTENT_TYPE)),
        (200, Some("application/x-ndjson"))
    );
    let lines = answer.lines();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (line["line"].as_u64().expect("a line"), line["status"].as_str().expect("a status"))
        })
        .collect();
    assert_eq!(seen, [(2, "stored"), (5, "refused"), (6, "refused"), (8, "unchanged")]);
    assert_eq!(
        (&lines[1]["tenant_id"], &lines[1]["errors"][0]["pointer"]),
        (&json!("bob"), &json!("/preferred_time"))
    );
    assert!(
        lines[2]["detail"].as_str().is_some_and(|detail| detail.contains("expected 5 cells")),
        "{}",
        lines[2]
    );
    let stored = fixture.get("/tenants/ann/preferences/posts").await.json();
    assert_eq!(
        stored,
        json!({"frequency": "daily", "preferred_time": "09:00",
            "template_overrides": {"tone": "warm"}})
    );
}

#[tokio::test]
async fn a_header_that_is_wrong_refuses_the_whole_and_names_the_columns() {
    let fixture = Fixture::new().await;
    let answer =
        import(&fixture, "tenant_id,feature_type,cron,enabled,enabled\nann,posts,,,\n").await;
    assert_eq!(answer.pointers(), ["/cron", "/enabled"]);
    assert_eq!(import(&fixture, "tenant_id").await.pointers(), ["/feature_type"]);
    assert_eq!(import(&fixture, "\n\n").await.pointers(), [""]);
    assert!(fixture.feed().await.is_empty());
}

#[tokio::test]
async fn a_stream_in_small_pieces_is_the_same_stream() {
    let fixture = Fixture::new().await;
    let text = "tenant_id,feature_type,preferred_time,frequency\n\
        \"a\"\"b\",posts,10:00,daily\nann,posts,10:00,daily";
    let pieces =
        text.as_bytes().chunks(3).map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)));
    let answer =
        import(&fixture, Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()))).await;
    assert_eq!(answer.lines().len(), 2, "{}", answer.text);
    assert_eq!(
        fixture.get("/tenants/a%22b/preferences/posts").await.json(),
        json!({"preferred_time": "10:00", "frequency": "daily"})
    );
}

#[tokio::test]
async fn a_record_that_is_cut_off_is_not_stored() {
    let fixture = Fixture::new().await;
    let pieces = [
        Ok(Bytes::from("tenant_id,feature_type\nann,posts\nbob,po")),
        Err(std::io::Error::other("cut off")),
    ];
    let answer = import(&fixture, Body::from_stream(stream::iter(pieces))).await;
    assert_eq!(answer.lines(), [json!({"line": 2, "status": "stored", "tenant_id": "ann"})]);
}
