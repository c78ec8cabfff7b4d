//! Users whose work was done, or failed for good.

use cohort_batch_agent::Explanation;
use serde_json::json;

use super::scene::{
    MONDAY, empty_stage, ended, explain, run_until, says, stage, static_stage, steps,
};
use crate::handler::Script;

pub(super) async fn who_was_run_is_told_so_with_every_step() -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert_eq!(
        json!(steps(&why)),
        json!([
            "job",
            "preference",
            "defaults",
            "schedule",
            "planning",
            "run",
            "member",
            "chunk",
            "outcome"
        ])
    );
    assert_eq!(why.trace[8].facts["attempts"], 1);
    says(
        why,
        "u was run on Monday 7 December at 09:00 UTC: succeeded at attempt 1, with version 1 of \
            the preference, made by version 1 of its purpose",
    )
}

pub(super) async fn who_states_nothing_is_run_by_a_job_for_everyone() -> Explanation {
    let stage =
        empty_stage(&json!({"enroll": "everyone", "default_preferences": {"frequency": "daily"}}))
            .await;
    stage.source.introduce("u", Some("Europe/Berlin"));
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07").await;
    says(
        why,
        "u was run on Monday 7 December at 09:00 Europe/Berlin: succeeded at attempt 1, made by \
            version 1 of its purpose",
    )
}

pub(super) async fn whom_the_filters_leave_is_run() -> Explanation {
    explain(&static_stage(&json!(["u"])).await, MONDAY).await
}

pub(super) async fn whom_the_handler_refused_is_told_what_it_said() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Fail);
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert!(
        why.sentence.contains("and it failed: rejected (no such account), attempted once"),
        "{}",
        why.sentence
    );
    why
}

pub(super) async fn whose_retries_are_used_up_is_told_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Retry { times: 9, after_s: None });
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    explain(&stage, MONDAY).await
}

pub(super) async fn whose_answer_breaks_the_contract_is_told_so() -> Explanation {
    ended(1, "bad_answer").await
}

pub(super) async fn who_kills_workers_is_told_so() -> Explanation {
    ended(1, "poison").await
}

pub(super) async fn whose_result_is_unknown_is_told_so() -> Explanation {
    ended(1, "unknown_result").await
}
