//! Jobs and purposes that are stored: applied, compared, adopted by agents that run, paused and
//! resumed (F1, T12, A2).

use cohort_batch_agent::{
    ApplyReport, DefinitionEdit, DefinitionKind, JobRegistry, LedgerError, RegistryError,
    ScheduleError, StartReport,
};
use cohort_preferences::{BatchDocuments, JobId};
use serde_json::{Value, json};

use crate::handler::Script;
use crate::stage::{Agent, Stage, daily, instant};

/// A job with some of its fields set.
fn job(id: &str, fields: &Value) -> Value {
    let mut job = json!({
        "job_id": id, "type": "individual_batch", "purpose_id": "write", "preference_based": true,
        "feature_type": "posts"
    });
    job.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    job
}

/// A batch config of these jobs, with the purpose that the stage serves.
fn config(jobs: &[Value]) -> BatchDocuments {
    let purposes = json!({"write": {"handler": "http", "url": "http://localhost:1/write"}});
    documents(&json!({"batch_processing_jobs": jobs, "purposes": purposes}))
}

fn documents(value: &Value) -> BatchDocuments {
    BatchDocuments::from_json(&value.to_string()).expect("valid")
}

fn one_job(fields: &Value) -> BatchDocuments {
    config(&[job("write_posts", fields)])
}

fn name() -> JobId {
    "write_posts".parse().expect("a name")
}

/// What an apply did, as `write_posts created v1`.
fn told(report: &ApplyReport) -> Vec<String> {
    let told = |change: &_| {
        let change = json!(change);
        format!(
            "{} {} v{}",
            change["name"].as_str().expect("a name"),
            change["change"].as_str().expect("a word"),
            change["version"]
        )
    };
    report.changes.iter().map(told).collect()
}

async fn apply(stage: &Stage, wanted: &BatchDocuments) -> Vec<String> {
    told(&stage.registry().apply(wanted, "somebody").await.expect("applied"))
}

async fn stored_agent(stage: &Stage) -> Agent {
    stage.agent_of(stage.stored_builder()).await
}

/// The runs with the version of their job, as `2026-12-01T09:00 v1 succeeded=3 skipped=0 missed=0
/// -`.
async fn told_runs(stage: &Stage) -> Vec<String> {
    let runs = stage.runs().await;
    let told = runs.iter().map(|run| {
        let (counts, version) = (run.counts, run.job_version.expect("the job is stored"));
        let reason = run.reason.map_or("-", |reason| reason.as_str());
        let nominal = run.occurrence.nominal;
        format!(
            "{nominal} v{version} succeeded={} skipped={} missed={} {reason}",
            counts.succeeded, counts.skipped, counts.missed
        )
    });
    told.collect()
}

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
async fn an_agent_that_cannot_serve_what_was_applied_says_so_at_its_start_and_leaves_it_out_while_it_runs()
 {
    let stage = Stage::with_daily_users(2, &json!({}));
    apply(&stage, &one_job(&json!({"chunk_size": 5}))).await;
    let agent = stage.agent_of(stage.stored_builder().max_concurrent_items(5)).await;
    // Only the other agent can have chunks of 25 in hand.
    apply(
        &stage,
        &config(&[
            job("write_posts", &json!({"chunk_size": 4})),
            job("big", &json!({"chunk_size": 25})),
        ]),
    )
    .await;
    agent.until("2026-12-01T12:00:00Z").await;
    assert_eq!(told_runs(&stage).await, ["2026-12-01T09:00 v2 succeeded=2 skipped=0 missed=0 -"]);

    let processor = stage.stored_builder().max_concurrent_items(5).build().expect("a processor");
    let scheduler = cohort_batch_agent::DynamicBatchScheduler::new(
        processor,
        std::time::Duration::from_mins(1),
    );
    let refused = scheduler.initialize_dynamic_schedules().await;
    assert!(
        matches!(&refused,
            Err(ScheduleError::Unserved(error)) if error.to_string().contains("big")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_old_agent_that_is_restarted_with_its_old_file_does_not_take_back_a_later_apply() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let (old, new) = (one_job(&json!({})), one_job(&json!({"priority": "high"})));
    let start = async |agent: &str, file: &BatchDocuments| {
        stage.registry().apply_at_start(file, agent).await.expect("started")
    };
    assert!(matches!(start("a", &old).await, StartReport::Applied(_)));
    assert!(matches!(start("b", &new).await,
            StartReport::Applied(report) if told(&report)[0] == "write_posts updated v2"));
    assert_eq!(start("a", &old).await, StartReport::Known { in_force: false });
    assert_eq!(start("b", &new).await, StartReport::Known { in_force: true });
    apply(&stage, &config(&[])).await;
    assert_eq!(start("b", &new).await, StartReport::Known { in_force: false });
    // Another file than the last time says something new, also if it is an older one.
    assert!(matches!(start("b", &old).await,
            StartReport::Applied(report) if told(&report)[0] == "write_posts created v4"));
    assert!(matches!(start("a", &new).await,
            StartReport::Applied(report) if told(&report)[0] == "write_posts updated v5"));
}

#[tokio::test]
async fn two_agents_of_different_age_come_to_the_same_jobs() {
    let stage = Stage::with_daily_users(2, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    let a = stage.agent_of(stage.stored_builder().holder("a")).await;
    apply(&stage, &one_job(&json!({"priority": "low"}))).await;
    let b = stage.agent_of(stage.stored_builder().holder("b")).await;
    tokio::join!(a.until("2026-12-01T12:00:00Z"), b.until("2026-12-01T12:00:00Z"));
    assert_eq!(told_runs(&stage).await, ["2026-12-01T09:00 v2 succeeded=2 skipped=0 missed=0 -"]);
    apply(&stage, &config(&[])).await;
    tokio::join!(a.until("2026-12-02T12:00:00Z"), b.until("2026-12-02T12:00:00Z"));
    assert_eq!(stage.runs().await.len(), 1);
}

#[tokio::test]
async fn an_edit_that_was_decided_on_an_older_revision_is_not_stored() {
    let stage = Stage::with_daily_users(1, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    let edit = DefinitionEdit { based_on: 0, versions: Vec::new(), start: None };
    let refused = stage.ledger().store_definitions(edit).await;
    assert!(matches!(refused, Err(LedgerError::RevisionMoved)), "{refused:?}");
}

#[tokio::test]
async fn a_paused_job_records_what_falls_due_and_a_resumed_one_starts_at_now() {
    let stage = Stage::with_daily_users(3, &json!({}));
    apply(&stage, &one_job(&json!({"misfire": "all"}))).await;
    let agent = stored_agent(&stage).await;
    agent.until("2026-12-01T12:00:00Z").await;
    assert!(stage.registry().pause(&name()).await.expect("paused"));
    assert!(!stage.registry().pause(&name()).await.expect("paused already"));
    agent.until("2026-12-03T09:00:00Z").await;
    assert!(stage.registry().resume(&name()).await.expect("resumed"));
    assert!(!stage.registry().resume(&name()).await.expect("resumed already"));
    agent.until("2026-12-04T12:00:00Z").await;

    let expected = [
        "2026-12-01T09:00 v1 succeeded=3 skipped=0 missed=0 -",
        "2026-12-02T09:00 v1 succeeded=0 skipped=3 missed=0 job_paused",
        "2026-12-03T09:00 v1 succeeded=0 skipped=3 missed=0 job_paused",
        "2026-12-04T09:00 v1 succeeded=3 skipped=0 missed=0 -",
    ];
    assert_eq!(told_runs(&stage).await, expected);
}

#[tokio::test]
async fn a_pause_and_its_end_while_no_agent_runs_are_told_apart_from_downtime() {
    let stage = Stage::with_daily_users(3, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    stored_agent(&stage).await.until("2026-12-01T12:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-02T12:00:00Z"));
    stage.registry().pause(&name()).await.expect("paused");
    stage.clock.advance_to(instant("2026-12-03T12:00:00Z"));
    stage.registry().resume(&name()).await.expect("resumed");
    stage.clock.advance_to(instant("2026-12-04T12:00:00Z"));
    stored_agent(&stage).await.until("2026-12-04T12:00:00Z").await;

    let expected = [
        "2026-12-01T09:00 v1 succeeded=3 skipped=0 missed=0 -",
        "2026-12-02T09:00 v1 succeeded=0 skipped=0 missed=3 downtime",
        "2026-12-03T09:00 v1 succeeded=0 skipped=3 missed=0 job_paused",
        "2026-12-04T09:00 v1 succeeded=3 skipped=0 missed=0 -",
    ];
    assert_eq!(told_runs(&stage).await, expected);
}

#[tokio::test]
async fn a_job_that_is_not_there_cannot_be_paused() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let refused = stage.registry().pause(&name()).await;
    assert!(matches!(refused, Err(RegistryError::NoSuchJob(_))), "{refused:?}");
}

#[tokio::test]
async fn a_trigger_runs_everybody_now_also_of_a_paused_job_and_does_not_count_as_the_days_run() {
    let stage = Stage::with_daily_users(2, &json!({}));
    stage.source.set("late", daily("21:00"));
    apply(&stage, &one_job(&json!({}))).await;
    let agent = stored_agent(&stage).await;
    agent.until("2026-12-01T08:00:00Z").await;
    let registry = JobRegistry::of_agent(&agent.processor);
    let triggered = registry.trigger(&name()).await.expect("triggered");
    let nominal = triggered.firing.nominal.to_string();
    assert_eq!(
        (triggered.runs.len(), triggered.firing.at, nominal.starts_with("trigger:")),
        (2, stage.now(), true)
    );
    agent.until("2026-12-01T12:00:00Z").await;
    assert_eq!(
        stage.told_of("u0").await,
        [format!("{nominal} succeeded"), "2026-12-01T09:00 succeeded".into()]
    );
    stage.registry().pause(&name()).await.expect("paused");
    agent.until("2026-12-01T13:00:00Z").await;
    stage.source.set(
        "late",
        json!({"frequency": "daily", "preferred_time": "21:00", "timezone": "UTC",
            "enabled": false}),
    );
    let again = registry.trigger(&name()).await.expect("triggered").firing.nominal.to_string();
    agent.until("2026-12-01T22:00:00Z").await;

    assert_ne!(nominal, again);
    // They left a microsecond after the second trigger's instant: still a member (M1), and not
    // called any more (M2).
    assert_eq!(
        stage.told_of("late").await,
        [format!("{nominal} succeeded"), format!("{again} skipped(disabled)")]
    );
    assert_eq!(stage.told_of("u0").await.last(), Some(&format!("{again} succeeded")));
    let lost = registry.trigger(&"lost".parse().expect("a name")).await;
    assert!(matches!(lost, Err(RegistryError::NoSuchJob(_))), "{lost:?}");
    let without_agent = stage.registry().trigger(&name()).await;
    assert!(matches!(without_agent, Err(RegistryError::NoAgent)), "{without_agent:?}");
}
