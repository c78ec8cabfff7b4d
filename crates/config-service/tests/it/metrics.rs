//! What the service counts of itself.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::Fixture;

#[tokio::test]
async fn metrics_tell_requests_by_route_and_the_lag_of_the_feed_to_who_may_look() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    let without_key = Request::get("/metrics").body(Body::empty()).expect("a request");
    fixture.send(without_key).await.problem(401);
    let request = fixture.request(Method::GET, "/metrics").body(Body::empty()).expect("a request");
    let text = fixture.send(request).await.text;
    let put = "cohort_config_requests_total{method=\"PUT\",\
        route=\"/tenants/{tenant_id}/preferences/{feature_type}\",status=\"201\"} 1";
    assert!(text.contains(put), "{text}");
    assert!(text.contains("cohort_config_feed_lag_seconds 0"), "{text}");
}
