//! Users who are erased in the Config Database leave the ledger too (W8).

use serde_json::json;

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Stage, daily};

async fn names(stage: &Stage) -> Vec<String> {
    let mut names: Vec<_> =
        stage.outcomes().await.iter().map(|outcome| outcome.tenant_id.to_string()).collect();
    names.sort();
    names
}

async fn with_two_who_ran(stage: &Stage) {
    stage.source.set("ann", daily("09:00"));
    stage.source.set("bob", daily("09:00"));
    stage.handler.script("ann", Script::Fail);
    stage.run_until("2026-12-01T10:00:00Z").await;
    assert_eq!(names(stage).await, ["ann", "bob"]);
    assert!(stage.outcomes().await.iter().any(|outcome| outcome.detail.is_some()));
}

#[tokio::test]
async fn a_user_who_is_erased_leaves_a_number_and_the_counts() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    with_two_who_ran(&stage).await;
    // While no agent runs: the next one hears of it all the same.
    stage.source.erase("ann");
    stage.run_until("2026-12-01T11:00:00Z").await;
    assert_eq!(names(&stage).await, ["bob", "erased:1"]);
    assert!(
        stage.outcomes().await.iter().all(|outcome| outcome.detail.is_none()),
        "what the handler said of her is gone"
    );
    assert_eq!(stage.runs().await[0].counts.failed, 1);
}

#[tokio::test]
async fn a_feed_that_no_longer_reaches_back_is_made_up_for_by_names() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    with_two_who_ran(&stage).await;
    stage.source.erase("ann");
    stage.source.set("cid", daily("09:00"));
    stage.source.faults(Faults { forgotten_changes: 4, ..Faults::default() });
    stage.run_until("2026-12-01T11:00:00Z").await;
    assert_eq!(names(&stage).await, ["bob", "erased:1"]);
}

#[tokio::test]
async fn a_database_that_the_ledger_has_never_known_erases_nobody() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    with_two_who_ran(&stage).await;
    stage
        .ledger()
        .erase(Vec::new(), "0000000b-7".into())
        .await
        .expect("another database's cursor is noted");
    stage.source.erase("ann");
    stage.run_until("2026-12-01T11:00:00Z").await;
    assert_eq!(names(&stage).await, ["ann", "bob"]);
}
