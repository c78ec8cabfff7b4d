//! Users whose work is still open, and what it waits for.

use cohort_batch_agent::{Explanation, HealthState, PurposeHealth};
use serde_json::json;

use super::scene::{MONDAY, agent, explain, run_until, says, slow_stage, stage};
use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Stage, instant};

pub(super) async fn who_is_to_be_tried_again_is_told_when() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Retry { times: 1, after_s: Some(600) });
    run_until(&stage, "2026-12-07T09:05:00Z").await;
    let why = explain(&stage, MONDAY).await;
    let sentence = "u is still to be run for Monday 7 December at 09:00 UTC: attempted once; the \
        next attempt is not before Monday 7 December at 09:10";
    says(why, sentence)
}

pub(super) async fn whose_earlier_run_is_open_waits_for_it() -> Explanation {
    let stage = slow_stage().await;
    run_until(&stage, "2026-12-07T06:10:00Z").await;
    explain(&stage, "2026-12-07T06:00:00Z").await
}

pub(super) async fn whose_list_cannot_be_read_yet_waits() -> Explanation {
    let stage = stage(&json!({})).await;
    let agent = agent(&stage).await;
    stage.source.faults(Faults { lists_nothing: true, ..Faults::default() });
    agent.until("2026-12-07T09:05:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert!(why.sentence.starts_with(
        "u is still to be run for Monday 7 December at 09:00 UTC: the run's members could not be \
            read"
    ));
    why
}

/// An agent that died in the middle of the call.
pub(super) async fn after_a_death() -> Stage {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Hang);
    let dying = agent(&stage).await;
    tokio::select! {
        () = dying.until("2026-12-07T12:00:00Z") => panic!("the handler should hang"),
        () = stage.handler.hung.notified() => {}
    }
    stage
}

pub(super) async fn what_an_agent_has_in_hand_is_in_progress() -> Explanation {
    explain(&after_a_death().await, MONDAY).await
}

pub(super) async fn what_a_dead_agent_had_in_hand_waits_for_another() -> Explanation {
    let stage = after_a_death().await;
    stage.clock.advance_to(instant("2026-12-07T09:05:00Z"));
    let why = explain(&stage, MONDAY).await;
    assert!(why.sentence.contains("has not been heard of for a while"), "{}", why.sentence);
    why
}

pub(super) async fn whose_settings_could_not_be_read_is_put_off() -> Explanation {
    let stage = after_a_death().await;
    stage.handler.forget_scripts();
    let second = agent(&stage).await;
    stage.now_away();
    second.until("2026-12-07T09:00:02Z").await;
    stage.now_well();
    explain(&stage, MONDAY).await
}

/// What is told while the purpose of a user who waits does not do well.
async fn with_health(health: PurposeHealth) -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Retry { times: 1, after_s: Some(600) });
    run_until(&stage, "2026-12-07T09:05:00Z").await;
    let before = stage.ledger().purpose_health().await.expect("read");
    let revision = before.first().map_or(0, |before| before.revision);
    let health = PurposeHealth { revision, ..health };
    assert!(stage.ledger().store_health(&health).await.expect("stored"));
    explain(&stage, MONDAY).await
}

fn health(state: HealthState, until: Option<&str>) -> PurposeHealth {
    PurposeHealth {
        state,
        since: instant("2026-12-07T09:01:00Z"),
        until: until.map(instant),
        ..PurposeHealth::healthy("write".parse().expect("a purpose"))
    }
}

pub(super) async fn whose_purpose_is_slowed_is_told_until_when() -> Explanation {
    let cause = Some("its handler asked for it".to_owned());
    let slowed = health(HealthState::Slowed, Some("2026-12-07T09:16:00Z"));
    let sentence = "u is still to be run for Monday 7 December at 09:00 UTC: the purpose write is \
        slowed since Monday 7 December at 09:01 until Monday 7 December at 09:16: its handler \
        asked for it; attempted once";
    says(with_health(PurposeHealth { cause, ..slowed }).await, sentence)
}

pub(super) async fn whose_purpose_is_failing_is_told_of_the_next_probe() -> Explanation {
    let last_error = Some("HTTP 503".to_owned());
    let failing = health(HealthState::Failing, Some("2026-12-07T09:06:00Z"));
    let sentence = "u is still to be run for Monday 7 December at 09:00 UTC: the purpose write is \
        failing since Monday 7 December at 09:01, the next probe goes on Monday 7 December at \
        09:06: HTTP 503; attempted once";
    says(with_health(PurposeHealth { last_error, ..failing }).await, sentence)
}

pub(super) async fn whose_purpose_is_paused_is_told_by_whom() -> Explanation {
    let set_by = Some("ann".to_owned());
    let sentence = "u is still to be run for Monday 7 December at 09:00 UTC: the purpose write is \
        paused since Monday 7 December at 09:01 by ann; attempted once";
    says(with_health(PurposeHealth { set_by, ..health(HealthState::Paused, None) }).await, sentence)
}
