//! What a user says between the member list and an attempt (M2, M3).

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::handler::Script;
use crate::source::TestSource;
use crate::stage::{Stage, daily};

fn with(field: &str, value: Value) -> Value {
    let mut preference = daily("09:00");
    preference[field] = value;
    preference
}

/// Four users change their minds, each in a way of their own.
fn object(source: &TestSource) {
    source.set("u0", with("enabled", json!(false)));
    source.delete("u1");
    source.set("u2", with("snoozed_until", json!("2026-12-05T00:00:00Z")));
    source.set("u3", with("skip_next", json!("2026-12-01T09:00")));
}

async fn assert_objections_held(stage: &Stage) {
    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 skipped(disabled)"]);
    assert_eq!(stage.told_of("u1").await, ["2026-12-01T09:00 skipped(deleted)"]);
    assert_eq!(stage.told_of("u2").await, ["2026-12-01T09:00 skipped(snoozed)"]);
    assert_eq!(stage.told_of("u3").await, ["2026-12-01T09:00 skipped(skipped_by_user)"]);
    assert_eq!(stage.told_of("u4").await, ["2026-12-01T09:00 succeeded"]);
}

#[tokio::test]
async fn who_objects_after_the_list_was_read_is_not_called() {
    let stage = Stage::with_daily_users(5, &json!({}));
    let (source, clock, later) =
        (stage.source.clone(), stage.clock.clone(), "2026-12-01T09:00:02Z");
    stage.source.after_next_page(move || {
        object(&source);
        clock.advance_to(crate::stage::instant(later));
    });
    stage.run_until("2026-12-01T12:00:00Z").await;

    assert_objections_held(&stage).await;
    assert_eq!(stage.handler.calls().len(), 1);
}

#[tokio::test]
async fn who_objects_before_a_retry_is_not_called_again() {
    let stage = Stage::with_daily_users(5, &json!({}));
    for user in 0..5 {
        stage.handler.script(&format!("u{user}"), Script::Retry { times: 1, after_s: Some(30) });
    }
    let source = stage.source.clone();
    stage.handler.on_next_call(move || object(&source));
    stage.run_until("2026-12-01T12:00:00Z").await;

    assert_objections_held(&stage).await;
    assert_eq!(stage.handler.calls().len(), 6, "five at first, then the one who did not object");
    let skipped = stage
        .outcomes()
        .await
        .into_iter()
        .find(|outcome| outcome.tenant_id.as_str() == "u0")
        .expect("an outcome");
    assert_eq!(skipped.attempts, 1);
}

#[tokio::test]
async fn a_retry_reuses_the_first_attempts_settings_and_the_next_run_reads_anew() {
    let stage = Stage::with_daily_users(0, &json!({}));
    stage.source.set("u", with("template_overrides", json!({"tone": "dry"})));
    stage.handler.script("u", Script::Retry { times: 1, after_s: None });
    let source = stage.source.clone();
    stage.handler.on_next_call(move || {
        source.set("u", with("template_overrides", json!({"tone": "warm"})));
    });
    stage.run_until("2026-12-02T12:00:00Z").await;

    let calls: Vec<_> = stage.handler.calls_of("u").into_iter().map(|(_, user)| user).collect();
    let seen: Vec<_> = calls
        .iter()
        .map(|user| {
            (
                user.attempt,
                user.preference_version,
                user.template_overrides["tone"].as_str().expect("a text"),
            )
        })
        .collect();
    assert_eq!(seen, [(1, 1, "dry"), (2, 1, "dry"), (1, 2, "warm"), (2, 2, "warm")]);
    assert_eq!(calls[0].key, calls[1].key);
    assert_ne!(calls[0].key, calls[2].key);
    let versions: Vec<_> =
        stage.outcomes().await.iter().map(|outcome| outcome.preference_version).collect();
    assert_eq!(versions, [Some(1), Some(2)]);
}

#[tokio::test]
async fn a_first_attempt_uses_settings_changed_since_the_list_was_read() {
    let stage = Stage::with_daily_users(2, &json!({}));
    let (source, clock) = (stage.source.clone(), stage.clock.clone());
    stage.source.after_next_page(move || {
        source.set("u1", with("template_overrides", json!({"tone": "warm"})));
        clock.advance_to(crate::stage::instant("2026-12-01T09:00:02Z"));
    });
    stage.run_until("2026-12-01T12:00:00Z").await;

    let user = &stage.handler.calls_of("u1")[0].1;
    assert_eq!((user.preference_version, &user.template_overrides["tone"]), (2, &json!("warm")));
}

#[tokio::test]
async fn a_retry_while_the_config_database_is_away_uses_the_first_settings_and_says_so() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(600) });
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:05:00Z").await;
    stage.now_away();
    agent.until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(1, &["2026-12-01T09:00"]).await;
    assert!(stage.outcomes().await[0].stale);
}

#[tokio::test]
async fn settings_older_than_an_hour_are_not_used_and_the_retry_waits() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(2 * 3_600) });
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:05:00Z").await;
    stage.now_away();
    agent.until("2026-12-01T11:30:00Z").await;
    assert_eq!(stage.outcomes().await.len(), 0);
    stage.now_well();
    agent.until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(1, &["2026-12-01T09:00"]).await;
    assert!(!stage.outcomes().await[0].stale);
    let waited = stage.handler.calls()[1].at.duration_since(stage.handler.calls()[0].at);
    assert!(waited >= SignedDuration::from_mins(150), "{waited}");
}

#[tokio::test]
async fn the_age_of_settings_counts_from_when_they_were_read_and_not_from_when_the_run_was_opened()
{
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(600) });
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-01T10:30:00Z").await;
    stage.now_well();
    agent.until("2026-12-01T10:35:00Z").await;
    stage.now_away();
    agent.until("2026-12-01T10:50:00Z").await;

    stage.assert_each_succeeded_once(1, &["2026-12-01T09:00"]).await;
    assert!(stage.outcomes().await[0].stale);
}
