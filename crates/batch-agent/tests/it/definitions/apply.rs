//! What an apply changes, and for whom from when on.

use cohort_batch_agent::{DefinitionEdit, DefinitionKind, LedgerError, RegistryError};
use cohort_preferences::BatchDocuments;
use serde_json::json;

use super::{apply, config, documents, job, one_job, stored_agent, told_runs};
use crate::handler::Script;
use crate::stage::{Stage, daily, instant};

#[tokio::test]
async fn an_apply_makes_versions_and_a_run_records_the_one_it_was_opened_by() {
    let stage = Stage::with_daily_users(3, &json!({}));
    assert_eq!(
        apply(&stage, &one_job(&json!({}))).await,
        ["write_posts created v1", "write created v1"]
    );
    let agent = stored_agent(&stage).await;
    agent.until("2026-12-01T12:00:00Z").await;
    assert_eq!(
        apply(&stage, &one_job(&json!({}))).await,
        ["write_posts unchanged v1", "write unchanged v1"]
    );
    assert_eq!(
        apply(&stage, &one_job(&json!({"priority": "high"}))).await,
        ["write_posts updated v2", "write unchanged v1"]
    );
    agent.until("2026-12-02T12:00:00Z").await;

    let expected = [
        "2026-12-01T09:00 v1 succeeded=3 skipped=0 missed=0 -",
        "2026-12-02T09:00 v2 succeeded=3 skipped=0 missed=0 -",
    ];
    assert_eq!(told_runs(&stage).await, expected);
    let versions = stage
        .ledger()
        .definition_versions(DefinitionKind::Job, "write_posts")
        .await
        .expect("versions");
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(versions[1].applied_by, "somebody");
    assert_eq!(versions[1].applied_at, instant("2026-12-01T12:00:00Z"));
}

#[tokio::test]
async fn a_removed_job_plans_no_more_and_is_kept_as_history() {
    let stage = Stage::with_daily_users(3, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    let agent = stored_agent(&stage).await;
    agent.until("2026-12-01T12:00:00Z").await;
    assert_eq!(apply(&stage, &config(&[])).await, ["write_posts removed v2", "write unchanged v1"]);
    agent.until("2026-12-03T12:00:00Z").await;
    assert_eq!(stage.runs().await.len(), 1);
    assert_eq!(agent.scheduler.schedules().len(), 0);

    // It comes back with nothing to catch up on (F1).
    assert_eq!(
        apply(&stage, &one_job(&json!({"misfire": "all"}))).await,
        ["write_posts created v3", "write unchanged v1"]
    );
    agent.until("2026-12-04T12:00:00Z").await;
    let last = told_runs(&stage).await;
    assert_eq!(last[1..], ["2026-12-04T09:00 v3 succeeded=3 skipped=0 missed=0 -"]);
}

#[tokio::test]
async fn the_open_work_of_a_job_and_a_purpose_that_were_removed_is_finished() {
    let stage = Stage::with_daily_users(3, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    let agent = stored_agent(&stage).await;
    stage.handler.script("u1", Script::Retry { times: 1, after_s: Some(60) });
    agent.until("2026-12-01T09:00:00Z").await;
    assert_eq!(stage.outcomes().await.len(), 2, "one is to be tried again");
    assert_eq!(
        apply(&stage, &documents(&json!({"batch_processing_jobs": []}))).await,
        ["write_posts removed v2", "write removed v2"]
    );
    agent.until("2026-12-02T12:00:00Z").await;

    stage.assert_each_succeeded_once(3, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn changed_defaults_hold_from_the_instant_of_the_change_whether_the_agent_runs_or_not() {
    for runs_on in [true, false] {
        let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
        stage.source.set("open", json!({"frequency": "daily", "timezone": "UTC"}));
        stage.source.set("stated", daily("09:30"));
        apply(&stage, &one_job(&json!({}))).await;
        let mut agent = stored_agent(&stage).await;
        agent.until("2026-12-01T12:00:00Z").await;
        // At noon, eleven o'clock has passed: the job does not catch up on it.
        apply(&stage, &one_job(&json!({"default_preferences": {"preferred_time": "11:00"}}))).await;
        if !runs_on {
            stage.clock.advance_to(instant("2026-12-02T10:00:00Z"));
            agent = stored_agent(&stage).await;
        }
        agent.until("2026-12-02T12:00:00Z").await;

        assert_eq!(
            stage.told_of("open").await,
            ["2026-12-01T09:00 succeeded", "2026-12-02T11:00 succeeded"],
            "runs on: {runs_on}"
        );
        assert_eq!(
            stage.told_of("stated").await,
            ["2026-12-01T09:30 succeeded", "2026-12-02T09:30 succeeded"],
            "runs on: {runs_on}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_by_name_and_nothing_is_stored() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let refused = async |wanted: &BatchDocuments| {
        let error = stage.registry().apply(wanted, "somebody").await.expect_err("refused");
        assert!(matches!(error, RegistryError::Unserved(_)), "{error:?}");
        error.to_string()
    };
    let nobody = refused(&config(&[job("write_posts", &json!({"purpose_id": "sing"}))])).await;
    assert!(nobody.contains("write_posts") && nobody.contains("sing"), "{nobody}");
    let command = json!({"batch_processing_jobs": [],
        "purposes": {"write": {"handler": "command", "argv": ["true"]}}});
    assert!(refused(&documents(&command)).await.contains("purpose write"));
    assert_eq!(stage.ledger().definitions().await.expect("read").latest, []);
}

#[tokio::test]
async fn an_edit_that_was_decided_on_an_older_revision_is_not_stored() {
    let stage = Stage::with_daily_users(1, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    let edit = DefinitionEdit { based_on: 0, versions: Vec::new(), start: None };
    let refused = stage.ledger().store_definitions(edit).await;
    assert!(matches!(refused, Err(LedgerError::RevisionMoved)), "{refused:?}");
}
