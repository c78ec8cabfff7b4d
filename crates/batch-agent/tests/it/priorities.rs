//! Who goes first when there is more work than capacity, and that nobody starves (D7).
//!
//! - the most urgent class is always next: `low_work_gets_its_share_while_critical_work_goes_on`
//! - what waits longest is next, whatever its class: both
//! - ready chunks are always preferred to members:
//!   `critical_members_that_are_still_to_be_read_overtake_low_chunks_that_are_ready`

use std::sync::Arc;

use cohort_batch_agent::{EnhancedBatchProcessor, ProcessorBuilder};
use serde_json::json;

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Stage, daily, instant, job};

/// An agent with one job of each of these priorities, named after it, over the same users.
fn with_jobs(stage: &Stage, priorities: &[&str]) -> ProcessorBuilder {
    let job = |priority: &&str| job(&json!({"job_id": priority, "priority": priority}));
    EnhancedBatchProcessor::builder(stage.source.clone(), stage.ledger())
        .clock(Arc::new(stage.clock.clone()))
        .handler("write", stage.handler.clone())
        .jobs(priorities.iter().map(job))
}

/// Whose calls came, in order.
fn order(stage: &Stage) -> Vec<String> {
    stage.handler.calls().into_iter().map(|call| call.job).collect()
}

#[tokio::test]
async fn low_work_gets_its_share_while_critical_work_goes_on() {
    let stage = Stage::with_daily_users(450, &json!({}));
    stage.source.faults(Faults { page_limit: Some(25), ..Faults::default() });
    stage
        .agent_of(with_jobs(&stage, &["low", "critical"]))
        .await
        .until("2026-12-01T09:30:00Z")
        .await;

    let order = order(&stage);
    assert_eq!((order.len(), order[0].as_str()), (900, "critical"));
    let last_critical = order.iter().rposition(|job| job == "critical").expect("called");
    let low_before = order[..last_critical].iter().filter(|job| *job == "low").count();
    // Of the 18 pages of critical users each eight are followed by a page of the others, and so is
    // the very first.
    assert_eq!(low_before, 75);
}

#[tokio::test]
async fn critical_members_that_are_still_to_be_read_overtake_low_chunks_that_are_ready() {
    let stage = Stage::with_daily_users(60, &json!({}));
    stage.handler.script("u7", Script::Hang);
    let agent = stage.agent_of(with_jobs(&stage, &["low"])).await;
    tokio::select! {
        () = agent.until("2026-12-01T09:30:00Z") => panic!("u7 hangs"),
        () = stage.handler.hung.notified() => {}
    }
    drop(agent);
    stage.handler.forget_scripts();
    stage.source.set("u100", daily("09:10"));
    let begun = order(&stage).len();
    let agent = stage.agent_of(with_jobs(&stage, &["low", "critical"])).await;
    stage.clock.set_to(instant("2026-12-01T09:10:00Z"));
    agent.until("2026-12-01T09:11:00Z").await;

    let order = &order(&stage)[begun..];
    assert_eq!(order[0], "critical");
    assert!(
        order.iter().filter(|job| *job == "low").count() > 1,
        "what was ready follows: {order:?}"
    );
}
