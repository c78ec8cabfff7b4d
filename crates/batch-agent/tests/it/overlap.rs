//! A user whose earlier run is still open when the next one comes (F10).

use serde_json::{Value, json};

use crate::handler::Script;
use crate::stage::{Stage, instant};

fn hourly() -> Value {
    json!({"frequency": "hourly", "preferred_time": "00:00", "timezone": "UTC"})
}

/// `slow` and `quick` run each hour; in so many attempts at each `slow` asks to be tried again.
fn with_a_slow_user(fields: &Value, times: u32) -> Stage {
    let mut fields = fields.clone();
    fields["max_retries"] = json!(1_000);
    let stage = Stage::at("2026-12-01T08:30:00Z", &fields);
    stage.source.set("slow", hourly());
    stage.source.set("quick", hourly());
    stage.handler.script("slow", Script::Retry { times, after_s: None });
    stage
}

#[tokio::test]
async fn who_is_open_in_an_earlier_run_waits_and_the_rest_of_the_chunk_goes() {
    let stage = with_a_slow_user(&json!({}), u32::MAX);
    let agent = stage.agent().await;
    agent.until("2026-12-01T10:10:00Z").await;
    assert_eq!(stage.told_of("slow").await, Vec::<String>::new());
    assert_eq!(
        stage.told_of("quick").await,
        ["2026-12-01T09:00+00:00 succeeded", "2026-12-01T10:00+00:00 succeeded"]
    );

    stage.handler.forget_scripts();
    agent.until("2026-12-01T10:40:00Z").await;
    assert_eq!(
        stage.told_of("slow").await,
        ["2026-12-01T09:00+00:00 succeeded", "2026-12-01T10:00+00:00 succeeded"]
    );
    let called: Vec<_> = stage.handler.calls_of("slow").into_iter().map(|(at, _)| at).collect();
    let [.., last_of_first, of_second] = called[..] else { panic!("{called:?}") };
    assert!(last_of_first >= instant("2026-12-01T10:10:00Z"), "{called:?}");
    assert!(
        of_second.duration_since(last_of_first).as_secs() <= 15,
        "the run that waited follows at once: {called:?}"
    );
}

#[tokio::test]
async fn who_has_a_run_waiting_already_is_skipped_in_the_next() {
    let stage = with_a_slow_user(&json!({}), u32::MAX);
    let agent = stage.agent().await;
    agent.until("2026-12-01T11:10:00Z").await;
    assert_eq!(stage.told_of("slow").await, ["2026-12-01T11:00+00:00 skipped(overlap)"]);
    assert_eq!(stage.told_of("quick").await.len(), 3);

    stage.handler.forget_scripts();
    agent.until("2026-12-01T12:10:00Z").await;
    let succeeded =
        ["09:00", "10:00", "12:00"].map(|time| format!("2026-12-01T{time}+00:00 succeeded"));
    let mut told = stage.told_of("slow").await;
    told.retain(|told| told.ends_with("succeeded"));
    assert_eq!(told, succeeded);
}

#[tokio::test]
async fn a_run_that_waits_ends_with_its_deadline_and_the_agents_death_changes_nothing() {
    let stage = with_a_slow_user(&json!({"deadline": "2h"}), u32::MAX);
    let agent = stage.agent().await;
    agent.until("2026-12-01T10:05:00Z").await;
    drop(agent);
    stage.handler.forget_scripts();
    stage.clock.set_to(instant("2026-12-01T12:20:00Z"));
    stage.run_until("2026-12-01T12:30:00Z").await;

    let told = stage.told_of("slow").await;
    assert_eq!(
        told[..2],
        [
            "2026-12-01T09:00+00:00 failed(retries_exhausted)",
            "2026-12-01T10:00+00:00 skipped(expired)"
        ]
    );
    assert!(
        stage
            .runs()
            .await
            .iter()
            .filter(|run| run.reason.is_none())
            .all(|run| run.closed_at.is_some())
    );
}

#[tokio::test]
async fn runs_that_are_caught_up_on_follow_one_another_and_none_is_skipped() {
    let stage = with_a_slow_user(&json!({"misfire": "all"}), 1);
    stage.run_until("2026-12-01T08:40:00Z").await;
    stage.clock.set_to(instant("2026-12-01T12:30:00Z"));
    stage.run_until("2026-12-01T13:55:00Z").await;

    let all = ["09:00", "10:00", "11:00", "12:00", "13:00"]
        .map(|time| format!("2026-12-01T{time}+00:00 succeeded"));
    assert_eq!(stage.told_of("slow").await, all);
    let attempts: Vec<_> =
        stage.handler.calls_of("slow").into_iter().map(|(_, user)| user.attempt).collect();
    assert_eq!(attempts, [1, 2].repeat(5), "one ends before the next begins");
}
