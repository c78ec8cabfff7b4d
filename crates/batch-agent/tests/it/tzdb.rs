//! Agents with different time zone databases (T11).
//!
//! All agents here have the same data under different names. Where a newer database would have
//! placed an occurrence earlier, and the older one's watermark has gone past it, the test takes its
//! run out of the ledger's file: that is what the newer one then finds.

use cohort_batch_agent::{AgentSign, LedgerError, Plan, TzdbRelease, TzdbStanding, Watermark};
use serde_json::json;

use crate::stage::{Agent, Stage, daily, instant};

const OLDER: &str = "2026a";
const NEWER: &str = "2026b";

async fn agent(stage: &Stage, name: &str, release: &str) -> Agent {
    stage.agent_of(stage.builder().holder(name).time_zone_database(release.into())).await
}

/// Two users, at nine and at ten o'clock.
fn stage_at(start: &str) -> Stage {
    let stage = Stage::at(start, &json!({"catchup_window": "40h"}));
    stage.source.set("nine", daily("09:00"));
    stage.source.set("ten", daily("10:00"));
    stage
}

fn sign(agent: &str, release: &str, at: &str) -> AgentSign {
    AgentSign {
        agent: agent.into(),
        tzdb: release.into(),
        version: "0.1.0".into(),
        renewed_at: instant(at),
    }
}

fn waiting() -> TzdbStanding {
    TzdbStanding::Waiting { in_force: OLDER.into() }
}

/// Takes the runs of a nominal time out of the ledger, with all that became of them.
fn forget_runs(stage: &Stage, nominal: &str) {
    let ledger = rusqlite::Connection::open(stage.ledger_file()).expect("the ledger's file");
    for rest in ["outcome", "chunk"] {
        let sql =
            format!("DELETE FROM {rest} WHERE run IN (SELECT id FROM run WHERE nominal = ?1)");
        ledger.execute(&sql, [nominal]).expect("deleted");
    }
    assert!(
        ledger.execute("DELETE FROM run WHERE nominal = ?1", [nominal]).expect("deleted") > 0,
        "{nominal} had a run"
    );
}

async fn end(stage: &Stage, name: &str) {
    stage.ledger().forget_agent(name).await.expect("forgotten");
}

#[tokio::test]
async fn an_agent_with_an_older_database_plans_nothing_and_says_so_but_finishes_work() {
    let stage = stage_at("2026-12-01T03:00:00Z");
    let newer = agent(&stage, "newer", NEWER).await;
    newer.until("2026-12-01T08:59:00Z").await;
    let older = agent(&stage, "older", OLDER).await;
    stage.now_away();
    newer.until("2026-12-01T09:00:05Z").await;
    drop(newer);
    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 reading succeeded=0 missed=0 -"]);
    stage.now_well();
    older.until("2026-12-01T10:20:00Z").await;

    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 closed succeeded=1 missed=0 -"]);
    let reason = older.scheduler.unreadiness().await.expect("it is not ready");
    assert_eq!(
        reason,
        "the ledger goes by the time zone database 2026b, this agent has 2026a: it plans nothing"
    );
}

#[tokio::test]
async fn a_newer_database_comes_into_force_once_no_older_agent_has_renewed_for_a_minute() {
    let stage = stage_at("2026-12-01T03:00:00Z");
    let older = agent(&stage, "older", OLDER).await;
    older.until("2026-12-01T08:59:30Z").await;
    let newer = agent(&stage, "newer", NEWER).await;
    newer.until("2026-12-01T09:00:29Z").await;
    assert_eq!(stage.told_runs().await, Vec::<String>::new(), "the older one may still live");
    assert_eq!(newer.scheduler.unreadiness().await, None, "a roll-out waits for it to be ready");
    newer.until("2026-12-01T09:01:00Z").await;
    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 closed succeeded=1 missed=0 -"]);
    older.until("2026-12-01T10:30:00Z").await;
    assert_eq!(stage.runs().await.len(), 1, "an older one that comes back plans nothing");
    newer.until("2026-12-01T10:30:01Z").await;
    assert_eq!(stage.runs().await.len(), 2);
}

#[tokio::test]
async fn as_long_as_older_agents_renew_they_plan_and_the_newer_one_waits() {
    let stage = stage_at("2026-12-01T09:58:00Z");
    let older = agent(&stage, "older", OLDER).await;
    let newer = agent(&stage, "newer", NEWER).await;
    for minute in 58..60 {
        older.until(&format!("2026-12-01T09:{minute}:30Z")).await;
        newer.until(&format!("2026-12-01T09:{minute}:59Z")).await;
    }
    newer.until("2026-12-01T10:00:10Z").await;
    assert_eq!(stage.told_runs().await, Vec::<String>::new());
    older.until("2026-12-01T10:00:11Z").await;
    assert_eq!(stage.told_runs().await, ["2026-12-01T10:00 closed succeeded=1 missed=0 -"]);
}

#[tokio::test]
async fn a_database_that_comes_into_force_replans_two_days_by_name_and_doubles_nothing() {
    let stage = stage_at("2026-11-29T03:00:00Z");
    stage.source.set("hourly", json!({"frequency": "hourly", "timezone": "UTC"}));
    agent(&stage, "older", OLDER).await.until("2026-12-01T10:30:00Z").await;
    end(&stage, "older").await;
    for lost in [
        "2026-11-29T09:00",
        "2026-11-30T09:00",
        "2026-12-01T09:00",
        "2026-11-30T10:00",
        "2026-12-01T08:00+00:00",
    ] {
        forget_runs(&stage, lost);
    }
    let mut expected = stage.told_runs().await;
    let newer = agent(&stage, "newer", NEWER).await;
    newer.until("2026-12-01T10:40:00Z").await;

    // More than two days ago is left as it is, and so is what the hourly user was planned for. Of
    // each group the latest of those lost is fired.
    let replanned = [
        "2026-11-30T09:00 closed succeeded=0 missed=1 downtime",
        "2026-11-30T10:00 closed succeeded=1 missed=0 -",
        "2026-12-01T09:00 closed succeeded=1 missed=0 -",
    ];
    expected.extend(replanned.map(str::to_owned));
    expected.sort();
    let mut told = stage.told_runs().await;
    told.sort();
    assert_eq!(told, expected);
    drop(newer);
    forget_runs(&stage, "2026-12-01T09:00");
    agent(&stage, "newer", NEWER).await.until("2026-12-01T10:50:00Z").await;
    assert_eq!(stage.told_of("nine").await, Vec::<String>::new(), "that is done once");
}

#[tokio::test]
async fn an_agent_that_waited_replans_too_once_its_database_is_in_force() {
    let stage = stage_at("2026-12-01T03:00:00Z");
    let older = agent(&stage, "older", OLDER).await;
    older.until("2026-12-01T10:30:00Z").await;
    let newer = agent(&stage, "newer", NEWER).await;
    newer.until("2026-12-01T10:30:10Z").await;
    forget_runs(&stage, "2026-12-01T09:00");
    newer.until("2026-12-01T10:35:00Z").await;
    assert_eq!(stage.told_of("nine").await, ["2026-12-01T09:00 succeeded"]);
    assert_eq!(stage.handler.calls_of("ten").len(), 1);
}

#[tokio::test]
async fn nothing_is_replanned_from_before_a_job_began() {
    let stage = stage_at("2026-12-01T03:00:00Z");
    stage.clock.advance_to(instant("2026-12-01T09:30:00Z"));
    agent(&stage, "older", OLDER).await.until("2026-12-01T12:00:00Z").await;
    end(&stage, "older").await;
    agent(&stage, "newer", NEWER).await.until("2026-12-01T12:30:00Z").await;
    assert_eq!(stage.told_runs().await, ["2026-12-01T10:00 closed succeeded=1 missed=0 -"]);
}

#[tokio::test]
async fn nothing_is_replanned_from_before_a_job_was_resumed() {
    let stage = stage_at("2026-12-01T03:00:00Z");
    let (ledger, job) = (stage.ledger(), stage.job.job_id.clone());
    agent(&stage, "older", OLDER).await.until("2026-12-01T09:10:00Z").await;
    assert!(ledger.pause_job(&job, instant("2026-12-01T09:10:00Z")).await.expect("paused"));
    assert!(ledger.resume_job(&job, instant("2026-12-01T09:30:00Z")).await.expect("resumed"));
    end(&stage, "older").await;
    forget_runs(&stage, "2026-12-01T09:00");
    stage.clock.advance_to(instant("2026-12-01T09:40:00Z"));
    agent(&stage, "newer", NEWER).await.until("2026-12-01T12:30:00Z").await;
    assert_eq!(stage.told_runs().await, ["2026-12-01T10:00 closed succeeded=1 missed=0 -"]);
}

#[tokio::test]
async fn an_agent_is_told_how_it_stands_and_listed_until_a_week_after_it_was_seen() {
    let ledger = stage_at("2026-12-01T03:00:00Z").ledger();
    let renew = async |agent, release, at| {
        ledger.renew_agent(sign(agent, release, at)).await.expect("renewed")
    };
    assert_eq!(renew("a", OLDER, "2026-12-01T09:00:00Z").await, TzdbStanding::InForce);
    assert_eq!(renew("b", NEWER, "2026-12-01T09:01:00Z").await, waiting());
    assert_eq!(
        renew("b", NEWER, "2026-12-01T08:59:30Z").await,
        waiting(),
        "the clock was set back"
    );
    assert_eq!(renew("b", NEWER, "2026-12-01T09:01:01Z").await, TzdbStanding::InForce);
    assert_eq!(
        renew("a", OLDER, "2026-12-01T09:01:02Z").await,
        TzdbStanding::Outdated { in_force: NEWER.into() }
    );
    let agents = ledger.agents().await.expect("agents");
    assert_eq!(
        agents,
        [sign("a", OLDER, "2026-12-01T09:01:02Z"), sign("b", NEWER, "2026-12-01T09:01:01Z")]
    );
    renew("b", NEWER, "2026-12-08T09:01:03Z").await;
    assert_eq!(ledger.agents().await.expect("agents").len(), 1);
}

#[tokio::test]
async fn a_plan_by_another_database_than_the_ledgers_is_refused_and_moves_no_watermark() {
    let stage = stage_at("2026-12-01T03:00:00Z");
    let (ledger, job) = (stage.ledger(), stage.job.job_id.clone());
    let began = instant("2026-12-01T03:00:00Z");
    let watermark = ledger.ensure_job(&job, began).await.expect("a watermark");
    ledger.renew_agent(sign("b", NEWER, "2026-12-01T03:00:00Z")).await.expect("renewed");
    let later = Watermark { planned_until: instant("2026-12-01T09:00:00Z"), ..watermark };
    let plan = |release: &str| Plan {
        watermark: later,
        runs: Vec::new(),
        tzdb: Some(TzdbRelease::from(release)),
    };
    let refused = ledger.open_runs(&job, plan(OLDER), began).await;
    assert!(matches!(refused, Err(LedgerError::OtherTzdb { .. })), "{refused:?}");
    assert_eq!(ledger.ensure_job(&job, began).await.expect("a watermark"), watermark);
    ledger.open_runs(&job, plan(NEWER), began).await.expect("planned");
    assert_eq!(ledger.ensure_job(&job, began).await.expect("a watermark"), later);
}
