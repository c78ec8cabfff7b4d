//! Users for whom nothing was due, or is not due yet.

use cohort_batch_agent::Explanation;
use serde_json::json;

use super::scene::{MONDAY, agent, empty_stage, explain, run_until, says, stage, static_stage};
use crate::stage::{daily, instant};

pub(super) async fn what_does_not_fire_then_names_the_occurrences_around() -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07T10:00:00Z").await;
    let sentence = "u was not run on Monday 7 December at 10:00 UTC: daily:09:00 in UTC does not \
        fire then: before on Monday 7 December at 09:00, next on Tuesday 8 December at 09:00";
    says(why, sentence)
}

pub(super) async fn what_is_to_come_is_not_yet_due() -> Explanation {
    let why = explain(&stage(&json!({})).await, MONDAY).await;
    says(why, "u will be run on Monday 7 December at 09:00 UTC: in 5 hours")
}

pub(super) async fn what_no_agent_has_planned_says_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.clock.advance_to(instant("2026-12-07T09:05:00Z"));
    let why = explain(&stage, MONDAY).await;
    assert!(
        why.sentence
            .contains("no agent has planned it: planning stands at Monday 7 December at 04:00"),
        "{}",
        why.sentence
    );
    why
}

pub(super) async fn who_stated_it_only_afterwards_joined_too_late() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.clock.advance_to(instant("2026-12-07T09:30:00Z"));
    stage.source.set("u", daily("09:00"));
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07").await;
    let sentence = "u was not run on Monday 7 December at 09:00 UTC: nothing was stated before \
        Monday 7 December at 09:30 (version 1)";
    says(why, sentence)
}

pub(super) async fn who_moved_to_that_time_only_afterwards_joined_too_late() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.set("u", daily("10:00"));
    let agent = agent(&stage).await;
    agent.until("2026-12-07T09:30:00Z").await;
    stage.source.set("u", daily("09:00"));
    agent.until("2026-12-07T12:00:00Z").await;
    explain(&stage, "2026-12-07T09:00").await
}

pub(super) async fn who_moved_away_before_left() -> Explanation {
    let stage = stage(&json!({})).await;
    let agent = agent(&stage).await;
    agent.until("2026-12-07T08:30:00Z").await;
    stage.source.set("u", daily("10:00"));
    agent.until("2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07T09:00").await;
    let sentence = "u was not run on Monday 7 December at 09:00 UTC: it was changed to \
        daily:10:00 in UTC on Monday 7 December at 08:30 (version 2)";
    says(why, sentence)
}

pub(super) async fn who_states_nothing_is_not_served_by_a_job_for_those_who_do() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.introduce("u", Some("Europe/Berlin"));
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    explain(&stage, MONDAY).await
}

pub(super) async fn whom_the_filters_leave_out_is_told_so() -> Explanation {
    explain(&static_stage(&json!(["v"])).await, MONDAY).await
}

pub(super) async fn what_no_default_completes_names_the_field() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.set("u", json!({"preferred_time": "09:00"}));
    let why = explain(&stage, MONDAY).await;
    assert!(
        why.sentence.ends_with("neither the preference nor any default states the frequency"),
        "{}",
        why.sentence
    );
    why
}
