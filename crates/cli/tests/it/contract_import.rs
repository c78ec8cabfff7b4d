//! Imports and keys, between the client and the real service.

use cohort_config_client::{ClientError, ImportStatus};
use cohort_preferences::TenantId;
use futures_util::TryStreamExt;
use serde_json::json;

use crate::contract::{Fixture, client, daily};

#[tokio::test]
async fn an_import_answers_a_result_a_line_and_stores_the_good_ones() {
    let fixture = Fixture::new().await;
    let lines = [
        json!({"tenant_id": "ann", "feature_type": "posts",
            "preference": daily("09:00")})
        .to_string(),
        json!({"tenant_id": "bob", "config_key": "feature_preferences",
            "config_value": {"posts": daily("09:00")}})
        .to_string(),
        json!({"tenant_id": "eve", "feature_type": "posts",
            "preference": daily("25:00")})
        .to_string(),
        "not json".into(),
        json!({"tenant_id": "ann", "feature_type": "posts",
            "preference": daily("09:00")})
        .to_string(),
    ];
    let results = fixture
        .client
        .import(std::io::Cursor::new(lines.join("\n").into_bytes()))
        .await
        .expect("taken");
    let results: Vec<_> = results.try_collect().await.expect("answered");
    let told: Vec<(u64, ImportStatus)> =
        results.iter().map(|line| (line.line, line.status)).collect();
    assert_eq!(
        told,
        [
            (1, ImportStatus::Stored),
            (2, ImportStatus::Stored),
            (3, ImportStatus::Refused),
            (4, ImportStatus::Refused),
            (5, ImportStatus::Unchanged)
        ]
    );
    assert_eq!(results[2].tenant_id.as_ref().map(TenantId::as_str), Some("eve"));
    assert_eq!(results[2].errors[0].pointer, "/preference/preferred_time");
    assert!(results[3].detail.is_some() || !results[3].errors.is_empty());
    assert_eq!(fixture.groups().await[0].1, 2);
    let none = fixture.client.import(tokio::io::empty()).await.expect("taken");
    assert_eq!(none.try_collect::<Vec<_>>().await.expect("answered").len(), 0);
}

#[tokio::test]
async fn a_key_is_known_by_name_and_scopes_and_a_wrong_one_opens_nothing() {
    let fixture = Fixture::new().await;
    let info = fixture.client.verify_key(&fixture.key).await.expect("answered").expect("known");
    assert_eq!(
        (info.name.as_str(), info.scopes.as_slice()),
        ("contract", ["admin".to_owned()].as_slice())
    );
    for wrong in ["hunter2", "", "two words", &fixture.key[1..]] {
        assert_eq!(fixture.client.verify_key(wrong).await.expect("answered"), None, "{wrong:?}");
    }
    let stranger = client(&fixture.base, "hunter2");
    let denied = stranger.get_frequency_groups("posts").await.expect_err("denied");
    assert!(matches!(denied, ClientError::Denied { .. }), "{denied:?}");
    assert!(!format!("{denied} {denied:?} {stranger:?}").contains("hunter2"));
}
