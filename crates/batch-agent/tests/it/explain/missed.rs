//! Users whose run was missed: nothing ran when it was due.

use cohort_batch_agent::{Explanation, StepName};
use serde_json::json;

use super::scene::{MONDAY, agent, explain, explain_of, run_until, says, stage, steps};
use crate::source::Faults;
use crate::stage::{Stage, instant};

/// Nothing runs from eight o'clock on Monday to half past twelve on Saturday.
pub(super) async fn after_downtime(misfire: &str) -> Stage {
    let stage = stage(&json!({"misfire": misfire})).await;
    stage
        .source
        .set("h", json!({"frequency": "hourly", "preferred_time": "00:00", "timezone": "UTC"}));
    run_until(&stage, "2026-12-07T08:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-12T12:30:00Z"));
    run_until(&stage, "2026-12-12T13:30:00Z").await;
    stage
}

pub(super) async fn what_was_due_while_nothing_ran_was_missed() -> Explanation {
    let why = explain(&after_downtime("latest").await, MONDAY).await;
    assert_eq!(steps(&why)[4..], [StepName::Planning, StepName::Run, StepName::Member]);
    says(
        why,
        "u was not run on Monday 7 December at 09:00 UTC: nothing ran when it was due, and \
            afterwards it was too late",
    )
}

pub(super) async fn what_a_job_skips_that_it_missed_says_so() -> Explanation {
    explain(&after_downtime("skip").await, MONDAY).await
}

pub(super) async fn what_was_too_much_to_catch_up_on_says_so() -> Explanation {
    explain_of(&after_downtime("all").await, "h", "write_posts", MONDAY).await
}

pub(super) async fn whose_list_could_not_be_read_in_time_is_told_so() -> Explanation {
    let stage = stage(&json!({"catchup_window": "1h"})).await;
    let agent = agent(&stage).await;
    stage.source.faults(Faults { lists_nothing: true, ..Faults::default() });
    agent.until("2026-12-07T12:00:00Z").await;
    explain(&stage, MONDAY).await
}
