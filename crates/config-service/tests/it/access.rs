//! Keys, unknown routes, health, bounds of bodies.

use axum::body::Body;
use axum::http::{Method, Request, header};
use cohort_config_service::Scope;
use serde_json::json;

use crate::{Fixture, open};

const ROUTES: [(&str, &str); 18] = [
    ("GET", "/tenants/ann/configs/feature_preferences"),
    ("PUT", "/tenants/ann/configs/feature_preferences"),
    ("DELETE", "/tenants/ann/configs/feature_preferences"),
    ("GET", "/tenants/ann/preferences/posts"),
    ("PUT", "/tenants/ann/preferences/posts"),
    ("PATCH", "/tenants/ann/preferences/posts"),
    ("DELETE", "/tenants/ann/preferences/posts"),
    ("GET", "/preferences/groups?feature_type=posts"),
    ("GET", "/features/posts/frequency-groups"),
    ("GET", "/features/posts/frequency-groups/daily/09:00/users"),
    ("GET", "/features/posts/frequency-groups/users?frequency=daily&time_key=09:00"),
    ("POST", "/preferences/groups/members"),
    ("POST", "/preferences/groups/member-lists"),
    ("POST", "/preferences/batch-get"),
    ("GET", "/preferences/changes"),
    ("POST", "/preferences/import"),
    ("POST", "/api-keys/verify"),
    ("OPTIONS", "/api-keys/verify"),
];

/// The routes that change something.
fn is_write((method, path): (&str, &str)) -> bool {
    path.ends_with("/import") || matches!(method, "PUT" | "PATCH" | "DELETE")
}

fn method(name: &str) -> Method {
    name.parse().expect("a method")
}

#[tokio::test]
async fn no_route_answers_without_a_known_key() {
    let fixture = Fixture::new().await;
    for (name, path) in ROUTES {
        for authorization in
            [None, Some("Bearer cohort_guess"), Some("Basic abc"), Some("Bearer"), Some("Bearer ")]
        {
            let request = Request::builder().method(method(name)).uri(format!("/api/v1{path}"));
            let request = authorization
                .into_iter()
                .fold(request, |request, value| request.header(header::AUTHORIZATION, value));
            let answer = fixture.send(request.body(Body::empty()).expect("a request")).await;
            if name == "OPTIONS" {
                assert!(answer.status.is_client_error());
            } else {
                answer.problem(401);
                assert_eq!(
                    answer.header(header::WWW_AUTHENTICATE),
                    Some("Bearer"),
                    "{name} {path}"
                );
            }
        }
    }
    assert!(fixture.feed().await.is_empty());
}

/// Who may use each route, as promised: r(ead), s(upport), w(rite), a(gent), A(dmin), and l(ink) of
/// the tenant ann.
const MAY: [(&str, &str, &str); 39] = [
    ("GET", "/tenants", "rswaA"),
    ("GET", "/tenants/ann", "rswaA"),
    ("PUT", "/tenants/ann", "wA"),
    ("DELETE", "/tenants/ann", "A"),
    ("GET", "/tenants/ann/export", "swA"),
    ("GET", "/tenants/ann/history", "swaA"),
    ("POST", "/tenants/ann/revert", "wA"),
    ("POST", "/tenants/ann/links", "swA"),
    ("GET", "/tenants/ann/configs/feature_preferences", "rswaAl"),
    ("PUT", "/tenants/ann/configs/feature_preferences", "wA"),
    ("DELETE", "/tenants/ann/configs/feature_preferences", "wA"),
    ("GET", "/tenants/ann/preferences/posts", "rswaAl"),
    ("PUT", "/tenants/ann/preferences/posts", "wAl"),
    ("PATCH", "/tenants/ann/preferences/posts", "wAl"),
    ("DELETE", "/tenants/ann/preferences/posts", "wAl"),
    ("GET", "/configs/feature_preferences/all-tenants", "rswaA"),
    ("POST", "/preferences/batch-get", "rswaA"),
    ("POST", "/preferences/import", "wA"),
    ("GET", "/preferences/changes", "rswaA"),
    ("GET", "/preferences/changes/stream", "rswaA"),
    ("GET", "/preferences/groups?feature_type=posts", "rswaA"),
    ("POST", "/preferences/groups/members", "rswaA"),
    ("POST", "/preferences/groups/member-lists", "rswaA"),
    ("POST", "/preferences/groups/check", "A"),
    ("GET", "/features/posts/frequency-groups", "rswaA"),
    ("GET", "/features/posts/frequency-groups/users?frequency=daily&time_key=-", "rswaA"),
    ("GET", "/features/posts/frequency-groups/daily/-/users", "rswaA"),
    ("GET", "/features/posts/unstated", "rswaA"),
    ("POST", "/all-tenants/members", "rswaA"),
    ("GET", "/all-tenants/timezones", "rswaA"),
    ("POST", "/all-tenants/label-values", "rswaA"),
    ("GET", "/feature-types", "rswaAl"),
    ("GET", "/feature-types/posts", "rswaA"),
    ("PUT", "/feature-types/posts?dry_run=true", "A"),
    ("POST", "/preview", "rswAl"),
    ("GET", "/api-keys", "A"),
    ("POST", "/api-keys", "A"),
    ("DELETE", "/api-keys/99", "A"),
    ("POST", "/api-keys/verify", "rswaA"),
];

const SCOPES: [(char, Scope); 5] = [
    ('r', Scope::Read),
    ('s', Scope::Support),
    ('w', Scope::Write),
    ('a', Scope::Agent),
    ('A', Scope::Admin),
];

/// Asks each route with this key, and asserts that it is let in where `may` says so and nowhere
/// else.
async fn walk(fixture: &mut Fixture, who: &str, key: String, may: impl Fn(&str) -> bool) {
    fixture.key = key;
    for (name, path, expected) in MAY {
        let answer = fixture.call(method(name), path, "").await;
        let is_let_in = !matches!(answer.status.as_u16(), 401 | 403 | 405 | 429);
        assert_eq!(is_let_in, may(expected), "{who}: {name} {path} answered {}", answer.status);
        if !is_let_in {
            answer.problem(403);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_scope_opens_its_routes_and_no_other() {
    let mut fixture = Fixture::new().await;
    for (letter, scope) in SCOPES {
        let key = fixture.service.create_key("somebody", scope).await.expect("stores");
        walk(&mut fixture, scope.as_str(), key, |may| may.contains(letter)).await;
    }
}

/// Asserts that every route refuses this key, as it refuses one that never was.
async fn assert_no_route_opens(fixture: &mut Fixture, key: String) {
    fixture.key = key;
    for (name, path, _) in MAY {
        fixture.call(method(name), path, "").await.problem(401);
    }
}

#[tokio::test]
async fn a_revoked_key_opens_no_route() {
    let mut fixture = Fixture::new().await;
    let made = crate::keys::make(&fixture, json!({"name": "gone", "scopes": ["admin"]})).await;
    fixture.call(Method::DELETE, &format!("/api-keys/{}", made["id"]), "").await;
    assert_no_route_opens(&mut fixture, crate::keys::text(&made).to_owned()).await;
}

#[tokio::test]
async fn a_key_that_is_over_opens_no_route() {
    let mut fixture = Fixture::new().await;
    let made = crate::keys::make(
        &fixture,
        json!({"name": "over", "scopes": ["admin"], "expires_at": "2026-12-02T00:00:00Z"}),
    )
    .await;
    fixture.clock.set("2026-12-02T00:00:00Z");
    assert_no_route_opens(&mut fixture, crate::keys::text(&made).to_owned()).await;
}

#[tokio::test(start_paused = true)]
async fn a_link_opens_its_own_tenant_s_preferences_and_no_other() {
    let mut fixture = Fixture::new().await;
    let own = crate::links::link(&fixture, "ann").await;
    let other = crate::links::link(&fixture, "bob").await;
    walk(&mut fixture, "own link", own, |may| may.contains('l')).await;
    fixture.key = other;
    for (name, path, _) in MAY.into_iter().filter(|(_, path, _)| path.starts_with("/tenants")) {
        fixture.call(method(name), path, "").await.problem(403);
    }
}

#[tokio::test]
async fn a_key_is_verified_by_asking_with_it() {
    let fixture = Fixture::new().await;
    let answer = fixture.call(Method::POST, "/api-keys/verify", Body::empty()).await;
    assert_eq!(answer.json(), json!({"name": "admin", "scopes": ["admin"]}));
}

#[tokio::test]
async fn the_admin_key_is_made_exactly_once() {
    let fixture = Fixture::new().await;
    assert!(fixture.key.starts_with("cohort_"));
    let again = fixture.service.create_admin_key_if_none("admin").await.expect("asks");
    assert_eq!(again, None);
    let reopened = fixture.reopened().await;
    assert_eq!(reopened.service.create_admin_key_if_none("admin").await.expect("asks"), None);
}

#[tokio::test]
async fn health_needs_no_key() {
    let fixture = Fixture::new().await;
    let get = |path: &str| Request::builder().uri(path).body(Body::empty()).expect("a request");
    let health = fixture.send(get("/healthz")).await.json();
    assert_eq!(health["status"], "ok");
    assert!(health["version"].is_string() && health["time_zone_database"].is_string());
    assert_eq!(fixture.send(get("/readyz")).await.json(), json!({"status": "ready"}));
    fixture.service.shutdown();
    fixture.send(get("/readyz")).await.problem(503);
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_problems() {
    let fixture = Fixture::new().await;
    fixture.get("/nothing/here").await.problem(404);
    let request =
        fixture.request(Method::GET, "/elsewhere").body(Body::empty()).expect("a request");
    fixture.send(request).await.problem(404);
    let answer = fixture.call(Method::POST, "/tenants/ann/preferences/posts", "{}").await;
    answer.problem(405);
    assert!(answer.header(header::ALLOW).is_some_and(|allow| allow.contains("PATCH")));
    fixture.call(Method::DELETE, "/preferences/changes", "").await.problem(405);
}

#[tokio::test]
async fn a_body_too_large_too_deep_or_broken_is_refused_with_its_place() {
    let fixture = Fixture::new().await;
    let path = "/tenants/ann/preferences/posts";
    fixture.call(Method::PUT, path, vec![b' '; (1 << 20) + 1]).await.problem(413);
    fixture.call(Method::PUT, path, "[".repeat(10_000)).await.problem(400);
    let broken = fixture.call(Method::PUT, path, "{\"frequency\":\n daily}").await.problem(400);
    assert!(
        broken["detail"].as_str().is_some_and(|detail| detail.contains("line 2 column")),
        "{broken}"
    );
    fixture.call(Method::PUT, path, vec![b'"', 0xff, b'"']).await.problem(400);
    fixture.call(Method::PUT, path, "").await.problem(400);
    fixture.get(path).await.problem(404);
    assert!(fixture.feed().await.is_empty());
}

#[tokio::test]
async fn a_read_only_service_reads_and_refuses_every_write() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    let Fixture { folder, clock, key, service, router } = fixture;
    drop((service, router));
    let service = open(folder.path(), clock.clone(), Some("this folder is simulated")).await;
    let fixture = Fixture { router: service.router(), service, key, clock, folder };
    for (name, path) in ROUTES.into_iter().filter(|route| is_write(*route)) {
        let problem = fixture.call(method(name), path, r#"{"config_value":{}}"#).await.problem(409);
        assert_eq!(problem["detail"], "read only: this folder is simulated", "{name} {path}");
    }
    assert_eq!(
        fixture.get("/tenants/ann/preferences/posts").await.json(),
        json!({"frequency": "daily"})
    );
    assert_eq!(fixture.feed().await.len(), 1);
    let users = fixture.get("/features/posts/frequency-groups/daily/-/users").await.json();
    assert_eq!(users["count_as_of"], 1);
}

#[tokio::test]
async fn what_the_api_is_like_is_no_secret() {
    let fixture = Fixture::new().await;
    let get = async |path: &str| {
        fixture.send(Request::builder().uri(path).body(Body::empty()).expect("a request")).await
    };
    assert_eq!(get("/api/v1/openapi.json").await.json()["openapi"], "3.1.0");
    let page = get("/docs").await;
    assert!(page.header(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")));
    assert!(
        page.header(header::CONTENT_SECURITY_POLICY)
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    assert!(get("/docs.css").await.status.is_success());
}
