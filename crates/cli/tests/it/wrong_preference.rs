//! Wrong requests to a real `cohort up`: refused with their place, and nothing is changed by them.

use serde_json::{Value, json};

use crate::serving::{Up, http};

const DOCUMENT: &str = "/tenants/ann/configs/feature_preferences";

fn document(preference: &Value) -> String {
    json!({"tenant_id": "ann", "config_key": "feature_preferences",
        "config_value": {"posts": preference}})
    .to_string()
}

/// What is wrong, and the pointer to it below the preference.
fn wrong_preferences() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"frequency": "daily", "timezone": "Europe/Atlantis"}), "/timezone"),
        (json!({"frequency": "daily", "preferred_time": "25:00"}), "/preferred_time"),
        (json!({"frequency": "daily", "preferred_time": "9 o'clock"}), "/preferred_time"),
        (json!({"frequency": "monthly", "preferred_day": 32}), "/preferred_day"),
        (json!({"frequency": "monthly", "preferred_day": 0}), "/preferred_day"),
        (json!({"frequency": "weekly", "preferred_day": "moonday"}), "/preferred_day"),
        (json!({"frequency": "sometimes"}), "/frequency"),
        (json!({"frequency": "cron", "cron": "* * *"}), "/cron"),
        (json!({"frequency": "daily", "preferred_tme": "09:00"}), "/preferred_tme"),
        (json!({"frequency": "daily", "enabled": null}), "/enabled"),
        (json!({"frequency": "daily", "template_overrides": []}), "/template_overrides"),
    ]
}

fn pointers(problem: &Value) -> Vec<&str> {
    problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["pointer"].as_str().expect("a pointer"))
        .collect()
}

#[tokio::test]
async fn a_wrong_preference_is_refused_with_its_pointer_and_nothing_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let rest = up.rest();
    for (preference, place) in wrong_preferences() {
        for (path, body, base) in [
            (DOCUMENT, document(&preference), "/config_value/posts"),
            ("/tenants/ann/preferences/posts", preference.to_string(), ""),
        ] {
            let answer = rest.put(path, body).await;
            assert_eq!(
                (answer.status, answer.kind.as_str()),
                (422, "application/problem+json"),
                "{preference}: {answer:?}"
            );
            assert_eq!(pointers(&answer.json()), [format!("{base}{place}")], "{preference}");
            assert_eq!(rest.get(path).await.status, 404, "{preference} was stored");
        }
    }
    for feature in ["posts", "others"] {
        let groups = rest.get(&format!("/features/{feature}/frequency-groups")).await.json();
        assert_eq!(groups["groups"], json!([]));
    }
    up.terminate();
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_its_line_and_what_was_stored_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let rest = up.rest();
    let good =
        document(&json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC"}));
    assert_eq!(rest.put(DOCUMENT, good).await.status, 201);
    let stored = rest.get(DOCUMENT).await;
    for broken in [
        "",
        "{",
        "{\n\"config_value\": {,}\n}",
        "nothing",
        "\u{feff}{}",
        "[[[[",
        "{\"tenant_id\":\"ann\"} more",
    ] {
        let answer = rest.put(DOCUMENT, broken).await;
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (400, "application/problem+json"),
            "{broken:?}: {answer:?}"
        );
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains("line ") && detail.contains("column "), "{broken:?}: {detail}");
    }
    for (wrong, place) in wrong_preferences() {
        let answer = rest.put(DOCUMENT, document(&wrong)).await;
        assert_eq!(pointers(&answer.json()), [format!("/config_value/posts{place}")]);
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(rest.put(DOCUMENT, deep).await.status, 400, "nesting is bounded");
    let large = document(&json!({"template_overrides": {"text": "x".repeat(2 << 20)}}));
    let refused = http()
        .put(format!("{}{DOCUMENT}", up.base()))
        .bearer_auth(up.key())
        .body(large)
        .send()
        .await;
    // The service does not read on and closes, which the client may see before the answer.
    assert!(
        refused.map_or_else(|error| error.is_request(), |answer| answer.status() == 413),
        "size is bounded"
    );
    let after = rest.get(DOCUMENT).await;
    assert_eq!((after.status, after.text), (200, stored.text));
    up.terminate();
}

#[tokio::test]
async fn a_route_or_parameter_that_does_not_exist_is_a_problem_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let rest = up.rest();
    for (path, status) in [
        ("/nothing", 404),
        ("/runs/1", 404),
        ("/runs/one", 422),
        ("/runs?limit=many", 422),
        ("/outcomes?status=great", 422),
        ("/outcomes?cursor=nonsense", 422),
        ("/preferences/changes?wait=31", 400),
        ("/tenants/ann/configs/nothing", 404),
    ] {
        let answer = rest.get(path).await;
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (status, "application/problem+json"),
            "{path}: {answer:?}"
        );
        assert!(
            answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{path}: {answer:?}"
        );
    }
    up.terminate();
}
