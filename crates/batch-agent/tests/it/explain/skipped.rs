//! Users who were skipped, or will be: they objected, or an operator, a budget or a deadline did.

use cohort_batch_agent::{Explanation, StepName};
use serde_json::{Value, json};

use super::scene::{
    MONDAY, agent, empty_stage, ended, explain, run_until, says, slow_stage, stage, steps,
};
use crate::handler::Script;
use crate::stage::{daily, instant};

pub(super) async fn who_had_switched_it_off_is_told_when() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.clock.advance_to(instant("2026-12-07T05:14:00Z"));
    let mut off =
        json!({"frequency": "daily", "preferred_time": "10:00", "timezone": "Europe/Berlin"});
    stage.source.set("u", off.clone());
    off["enabled"] = json!(false);
    stage.source.set("u", off);
    run_until(&stage, "2026-12-08T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07").await;
    assert_eq!(
        why.chosen.as_deref(),
        Some("2026-12-07T10:00: what would have fired on 2026-12-07")
    );
    assert_eq!(steps(&why), [StepName::Job, StepName::Preference]);
    says(
        why,
        "u was not run on Monday 7 December at 10:00 Europe/Berlin: switched off on Monday 7 \
            December at 06:14 (version 2)",
    )
}

/// What a user says between the member list and the attempt.
pub(super) async fn objected(preference: Option<Value>) -> Explanation {
    let stage = stage(&json!({})).await;
    let (source, clock) = (stage.source.clone(), stage.clock.clone());
    stage.source.after_next_page(move || {
        match preference {
            Some(preference) => source.set("u", preference),
            None => source.delete("u"),
        };
        clock.advance_to(instant("2026-12-07T09:00:02Z"));
    });
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert_eq!(steps(&why).last(), Some(&StepName::Outcome));
    why
}

pub(super) fn with(field: &str, value: Value) -> Value {
    let mut preference = daily("09:00");
    preference[field] = value;
    preference
}

pub(super) async fn who_switched_it_off_before_the_attempt_is_told_when() -> Explanation {
    let why = objected(Some(with("enabled", json!(false)))).await;
    says(
        why,
        "u was not run on Monday 7 December at 09:00 UTC: switched off on Monday 7 December at \
            09:00 (version 2)",
    )
}

pub(super) async fn who_deleted_it_before_the_attempt_is_told_when() -> Explanation {
    let why = objected(None).await;
    says(
        why,
        "u was not run on Monday 7 December at 09:00 UTC: the preference was deleted on Monday 7 \
            December at 09:00 (version 2)",
    )
}

pub(super) async fn who_deleted_it_the_day_before_is_told_when_it_would_have_run() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.source.delete("u");
    run_until(&stage, "2026-12-08T12:00:00Z").await;
    let why = explain(&stage, "2026-12-08").await;
    says(
        why,
        "u was not run on Tuesday 8 December at 09:00 UTC: the preference was deleted on Monday 7 \
            December at 04:00 (version 2)",
    )
}

pub(super) async fn who_snoozed_before_the_attempt_is_told_so() -> Explanation {
    objected(Some(with("snoozed_until", json!("2026-12-09T00:00:00Z")))).await
}

pub(super) async fn who_has_snoozed_past_an_occurrence_to_come_is_told_until_when() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.set("u", with("snoozed_until", json!("2026-12-09T00:00:00Z")));
    let why = explain(&stage, "2026-12-08T09:00").await;
    says(
        why,
        "u will not be run on Tuesday 8 December at 09:00 UTC: snoozed until Wednesday 9 December \
            at 00:00 (version 1)",
    )
}

pub(super) async fn who_asked_to_skip_it_is_told_so() -> Explanation {
    objected(Some(with("skip_next", json!("2026-12-07T09:00")))).await
}

pub(super) async fn who_asked_to_skip_what_is_to_come_is_told_so() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.set("u", with("skip_next", json!("2026-12-08T09:00")));
    explain(&stage, "2026-12-08").await
}

pub(super) async fn who_had_run_that_day_in_another_group_is_told_so() -> Explanation {
    let stage = stage(&json!({})).await;
    let agent = agent(&stage).await;
    agent.until("2026-12-07T09:30:00Z").await;
    stage.source.set("u", daily("10:00"));
    agent.until("2026-12-07T12:00:00Z").await;
    explain(&stage, "2026-12-07T10:00").await
}

pub(super) async fn who_had_an_earlier_run_waiting_is_told_so() -> Explanation {
    let stage = slow_stage().await;
    run_until(&stage, "2026-12-07T07:10:00Z").await;
    explain(&stage, "2026-12-07T07:00:00Z").await
}

pub(super) async fn what_fell_due_while_the_job_was_paused_says_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage
        .ledger()
        .pause_job(&"write_posts".parse().expect("a job"), stage.now())
        .await
        .expect("paused");
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    says(
        explain(&stage, MONDAY).await,
        "u was not run on Monday 7 December at 09:00 UTC: the job was paused",
    )
}

pub(super) async fn what_is_to_come_while_the_job_is_paused_says_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage
        .ledger()
        .pause_job(&"write_posts".parse().expect("a job"), stage.now())
        .await
        .expect("paused");
    explain(&stage, MONDAY).await
}

pub(super) async fn whose_run_was_canceled_is_told_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Retry { times: 9, after_s: Some(600) });
    run_until(&stage, "2026-12-07T09:05:00Z").await;
    let run = stage.runs().await[0].id;
    stage.ledger().cancel_run(run, stage.now()).await.expect("canceled");
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert!(steps(&why).contains(&StepName::Attempt));
    says(why, "u was not run on Monday 7 December at 09:00 UTC: an operator canceled the run")
}

pub(super) async fn whose_purpose_was_disabled_is_told_so() -> Explanation {
    ended(2, "purpose_disabled").await
}

pub(super) async fn whose_purpose_was_over_budget_is_told_so() -> Explanation {
    ended(2, "over_budget").await
}

pub(super) async fn what_was_not_begun_before_its_deadline_has_expired() -> Explanation {
    let stage = stage(&json!({"deadline": "1h"})).await;
    run_until(&stage, "2026-12-07T08:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-07T10:30:00Z"));
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    explain(&stage, MONDAY).await
}
