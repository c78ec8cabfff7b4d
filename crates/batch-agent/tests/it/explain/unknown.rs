//! Jobs, users and runs of which the record has nothing, or no longer.

use cohort_batch_agent::Explanation;
use serde_json::json;

use super::scene::{MONDAY, documents, explain, explain_of, run_until, says, stage, tamper};
use crate::stage::{daily, instant};

pub(super) async fn what_was_before_the_job_says_so() -> Explanation {
    let why = explain(&stage(&json!({})).await, "2026-12-06T09:00:00Z").await;
    assert!(
        why.sentence
            .ends_with("the job write_posts was applied only on Monday 7 December at 04:00"),
        "{}",
        why.sentence
    );
    why
}

pub(super) async fn what_a_removed_job_would_have_done_says_who_removed_it() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.registry().apply(&documents(&json!([])), "ben").await.expect("applied");
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert!(
        why.sentence
            .ends_with("the job write_posts was removed on Monday 7 December at 04:00 by ben"),
        "{}",
        why.sentence
    );
    why
}

pub(super) async fn a_job_that_there_is_not_is_said_to_be_none() -> Explanation {
    says(
        explain_of(&stage(&json!({})).await, "u", "write_post", MONDAY).await,
        "there is no job write_post",
    )
}

pub(super) async fn a_user_whom_there_is_not_is_said_to_be_none() -> Explanation {
    let why = explain_of(&stage(&json!({})).await, "uu", "write_posts", MONDAY).await;
    says(why, "there is no user uu: there never was, or the person has been erased")
}

pub(super) async fn what_is_no_longer_kept_says_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.clock.advance_to(instant("2026-12-09T00:00:00Z"));
    stage.source.set("u", daily("10:00"));
    stage.source.keep_last_changes("u", 1);
    explain(&stage, MONDAY).await
}

pub(super) async fn whose_run_the_ledger_has_forgotten_is_told_so() -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-08T12:00:00Z").await;
    stage.ledger().prune(instant("2026-12-07T12:00:00Z"), 1_000).await.expect("pruned");
    explain(&stage, MONDAY).await
}

pub(super) async fn a_run_that_is_not_on_record_is_unaccounted_for() -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    for table in ["run", "chunk", "outcome"] {
        tamper(&stage, &format!("DELETE FROM {table}"));
    }
    explain(&stage, MONDAY).await
}
