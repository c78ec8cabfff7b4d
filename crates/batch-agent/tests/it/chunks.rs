//! Who is called, with what, and how many at once (D1, D3, T12).

use std::collections::{BTreeMap, BTreeSet};

use cohort_batch_agent::{BuildError, EnhancedBatchProcessor};
use cohort_preferences::{Preference, PreferenceGroup, Schedule};
use serde_json::{Map, Value, json};

use crate::source::Faults;
use crate::stage::{Stage, instant, job};

fn preference(user: usize) -> Value {
    let zone = ["UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York"][user % 4];
    let overrides =
        if user.is_multiple_of(3) { json!({}) } else { json!({"tone": format!("tone-{user}")}) };
    if user.is_multiple_of(5) {
        let day = ["monday", "thursday"][user % 2];
        json!({"frequency": "weekly", "preferred_day": day, "preferred_time": "10:00",
            "timezone": zone, "template_overrides": overrides})
    } else {
        let time = ["09:00", "18:30"][user % 2];
        json!({"frequency": "daily", "preferred_time": time, "timezone": zone,
            "template_overrides": overrides})
    }
}

/// The occurrences of a preference as the calendar has them, apart from any agent.
fn nominals(preference: &Value, from: &str, to: &str) -> Vec<String> {
    let stated = Preference::from_json(preference, "").expect("a preference").stated_group(None);
    let schedule =
        Schedule::of(&PreferenceGroup::from_stated(&stated).expect("everything is stated"));
    schedule
        .after(instant(from))
        .take_while(|o| o.at <= instant(to))
        .map(|o| o.nominal.to_string())
        .collect()
}

#[tokio::test]
async fn every_due_user_of_several_groups_and_zones_gets_one_outcome_with_their_own_settings() {
    let (from, to) = ("2026-11-29T15:00:00Z", "2026-12-08T00:00:00Z");
    let defaults = json!({"template_overrides": {"tone": "plain", "length": "short"}});
    let stage = Stage::at(from, &json!({"default_preferences": defaults}));
    for user in 0..60 {
        stage.source.set(&format!("u{user}"), preference(user));
    }
    stage.run_until(to).await;

    let expected: BTreeSet<_> = (0..60)
        .flat_map(|user| {
            nominals(&preference(user), from, to)
                .into_iter()
                .map(move |nominal| (format!("u{user}"), nominal))
        })
        .collect();
    let outcomes = stage.outcomes().await;
    let got: BTreeSet<_> = outcomes
        .iter()
        .map(|outcome| (outcome.tenant_id.to_string(), outcome.nominal.to_string()))
        .collect();
    assert_eq!(got, expected);
    assert_eq!(outcomes.len(), expected.len(), "nobody twice");
    let keys: BTreeSet<_> = outcomes.iter().map(|outcome| &outcome.key).collect();
    assert_eq!(keys.len(), outcomes.len(), "each work has a key of its own (D1)");
    assert_eq!(stage.handler.calls().len(), expected.len());
    for call in stage.handler.calls() {
        let user = &call.users[0];
        let number: usize = user.tenant_id.as_str()[1..].parse().expect("a number");
        let tone = if number.is_multiple_of(3) { "plain".into() } else { format!("tone-{number}") };
        assert_eq!(
            Value::Object(user.template_overrides.clone()),
            json!({"tone": tone, "length": "short"}),
            "u{number}"
        );
    }
}

#[tokio::test]
async fn two_thousand_six_hundred_users_come_in_two_pages_of_chunks_of_at_most_25() {
    let stage = Stage::with_daily_users(2_600, &json!({}));
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(2_600, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.source.pages(), [2_500, 100]);
    assert_eq!(stage.handler.peak(), 25);
    let mut chunks: BTreeMap<i64, usize> = BTreeMap::new();
    for outcome in stage.outcomes().await {
        *chunks.entry(outcome.chunk).or_default() += 1;
    }
    assert_eq!(chunks.len(), 2_600 / 25);
    assert!(chunks.values().all(|size| *size == 25));
}

#[tokio::test]
async fn a_jobs_chunk_size_and_a_source_with_small_pages_are_respected() {
    let stage = Stage::with_daily_users(100, &json!({"chunk_size": 7}));
    stage.source.faults(Faults { page_limit: Some(30), ..Faults::default() });
    stage
        .agent_of(stage.builder().max_concurrent_items(10))
        .await
        .until("2026-12-01T12:00:00Z")
        .await;

    stage.assert_each_succeeded_once(100, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.source.pages(), [30, 30, 30, 10]);
    assert_eq!(stage.handler.peak(), 10);
    let mut chunks: BTreeMap<i64, usize> = BTreeMap::new();
    for outcome in stage.outcomes().await {
        *chunks.entry(outcome.chunk).or_default() += 1;
    }
    assert!(chunks.values().all(|size| *size <= 7), "{chunks:?}");
}

#[tokio::test]
async fn a_purposes_own_limit_lies_under_the_agents() {
    let stage = Stage::with_daily_users(60, &json!({}));
    let builder = stage.builder().limited_handler("write", stage.handler.clone(), Some(3));
    stage.agent_of(builder).await.until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(60, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.handler.peak(), 3);
}

#[tokio::test]
async fn a_job_that_takes_chunks_as_objects_is_called_once_a_chunk() {
    let stage = Stage::with_daily_users(60, &json!({"type": "batch_as_object"}));
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(60, &["2026-12-01T09:00"]).await;
    let calls = stage.handler.calls();
    let mut sizes: Vec<_> = calls.iter().map(|call| call.users.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 25, 25]);
    assert!(calls.iter().all(|call| call.is_chunk));
    assert!(stage.handler.peak() <= 25);
}

#[tokio::test]
async fn a_job_that_cannot_be_served_is_refused_before_anything_runs() {
    let stage = Stage::at("2026-12-01T00:00:00Z", &json!({}));
    let too_large = stage.builder().max_concurrent_items(24).build().err();
    assert!(
        matches!(
            too_large,
            Some(BuildError::ChunkTooLarge { chunk_size: 25, max_concurrent_items: 24, .. })
        ),
        "{too_large:?}"
    );
    let nobody = EnhancedBatchProcessor::builder(stage.source.clone(), stage.ledger())
        .jobs([job(&json!({}))])
        .build()
        .err();
    assert!(matches!(nobody, Some(BuildError::NoHandler { .. })), "{nobody:?}");
    let stage = Stage::at("2026-12-01T00:00:00Z", &json!({"type": "batch_as_object"}));
    let limited = stage.builder().limited_handler("write", stage.handler.clone(), Some(24));
    let over = limited.build().err();
    assert!(
        matches!(
            over,
            Some(BuildError::ChunkOverPurpose { chunk_size: 25, max_concurrency: 24, .. })
        ),
        "{over:?}"
    );
}

#[tokio::test]
async fn users_who_state_nothing_run_by_the_jobs_defaults_together_with_those_who_state_the_same() {
    let fields = json!({"default_preferences": {"frequency": "daily", "preferred_time": "09:00"}});
    let stage = Stage::at("2026-12-01T03:00:00Z", &fields);
    stage.source.set("u0", Value::Object(Map::new()));
    stage.source.set("u1", json!({"frequency": "daily"}));
    stage.source.set("u2", crate::stage::daily("09:00"));
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(3, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.runs().await.len(), 1, "one preference group, one run");
}
