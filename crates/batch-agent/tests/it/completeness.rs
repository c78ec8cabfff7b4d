//! Every due occurrence is accounted for (A1): what the check finds where nothing is wrong, and where
//! something was planted.

use cohort_batch_agent::{CompletenessFault, CompletenessReport};
use serde_json::{Value, json};

use crate::source::Faults;
use crate::stage::{Stage, daily, instant};

/// Three users at nine o'clock, and one each hour.
fn stage(fields: &Value) -> Stage {
    let stage = Stage::with_daily_users(3, fields);
    stage
        .source
        .set("h", json!({"frequency": "hourly", "preferred_time": "00:00", "timezone": "UTC"}));
    stage
}

/// What is wrong, as `daily:09:00 UTC 2026-12-01T09:00 NoRun 3 0`: members, and how many are on
/// record.
fn told(report: &CompletenessReport) -> Vec<String> {
    let told = report.named.iter().map(|found| {
        let members = found.members.map_or("-".into(), |members| members.to_string());
        format!("{} {} {:?} {members} {}", found.group, found.nominal, found.fault, found.on_record)
    });
    told.collect()
}

/// Changes the ledger behind the agent's back.
fn tamper(stage: &Stage, sql: &str) {
    let changed = rusqlite::Connection::open(stage.ledger_file())
        .expect("opens")
        .execute(sql, [])
        .expect("changed");
    assert_eq!(changed, 1, "{sql}");
}

#[tokio::test]
async fn after_a_downtime_moves_and_a_pause_everything_is_accounted_for() {
    let stage = stage(&json!({}));
    stage.run_until("2026-12-01T12:00:00Z").await;
    stage.source.set("u0", daily("15:30"));
    stage.source.delete("u1");
    stage.clock.advance_to(instant("2026-12-02T11:30:00Z"));
    stage.run_until("2026-12-02T23:00:00Z").await;

    let report = stage.completeness("2026-12-01T00:00:00Z").await;
    assert_eq!(told(&report), Vec::<String>::new());
    let job = &report.jobs[0];
    assert_eq!((job.unaccounted, job.open, job.closed), (0, 0, job.due));
    assert_eq!(job.members, Some(job.on_record));
    // Nine o'clock of both days for those who were there, half past three of both for who moved,
    // and each hour from four on.
    assert_eq!(job.on_record, 3 + 1 + 1 + 1 + 43);
}

#[tokio::test]
async fn a_run_that_is_gone_from_the_record_is_found() {
    let stage = stage(&json!({}));
    stage.run_until("2026-12-01T12:00:00Z").await;
    tamper(&stage, "DELETE FROM run WHERE frequency = 'daily'");
    let report = stage.completeness("2026-12-01T00:00:00Z").await;
    assert_eq!(
        (report.unaccounted, told(&report)),
        (1, vec!["daily:09:00 UTC 2026-12-01T09:00 NoRun 3 0".into()])
    );
}

#[tokio::test]
async fn a_member_who_is_on_no_record_is_found() {
    let stage = stage(&json!({}));
    stage.run_until("2026-12-01T12:00:00Z").await;
    tamper(
        &stage,
        "UPDATE run SET members = members - 1, succeeded = succeeded - 1 WHERE frequency = 'daily'",
    );
    let report = stage.completeness("2026-12-01T00:00:00Z").await;
    assert_eq!(told(&report), ["daily:09:00 UTC 2026-12-01T09:00 MembersLacking 3 2"]);
}

#[tokio::test]
async fn what_nobody_plans_is_found_two_minutes_later() {
    let stage = stage(&json!({}));
    stage.run_until("2026-12-01T08:59:00Z").await;
    stage.clock.advance_to(instant("2026-12-01T09:01:00Z"));
    assert_eq!(stage.completeness("2026-12-01T00:00:00Z").await.unaccounted, 0);
    stage.clock.advance_to(instant("2026-12-01T09:03:00Z"));
    assert_eq!(stage.completeness("2026-12-01T00:00:00Z").await.unaccounted, 2);
}

#[tokio::test]
async fn a_run_that_nobody_gives_up_at_the_end_of_its_window_is_found() {
    let stage = Stage::with_daily_users(3, &json!({"catchup_window": "1h"}));
    let agent = stage.agent().await;
    stage.source.faults(Faults { lists_nothing: true, ..Faults::default() });
    agent.until("2026-12-01T09:30:00Z").await;
    let report = stage.completeness("2026-12-01T00:00:00Z").await;
    assert_eq!((report.unaccounted, report.jobs[0].open), (0, 1));
    stage.clock.advance_to(instant("2026-12-01T10:30:00Z"));
    let report = stage.completeness("2026-12-01T00:00:00Z").await;
    assert_eq!(report.named[0].fault, CompletenessFault::Overdue);
}

#[tokio::test]
async fn tenants_who_are_enrolled_and_those_of_filters_are_accounted_for_too() {
    let enrolled = Stage::at(
        "2026-12-01T03:00:00Z",
        &json!({"enroll": "everyone", "default_preferences": {"frequency": "daily"}}),
    );
    enrolled.source.introduce("e", Some("Europe/Berlin"));
    enrolled.run_until("2026-12-01T12:00:00Z").await;
    let report = enrolled.completeness("2026-12-01T00:00:00Z").await;
    assert_eq!((told(&report), report.jobs[0].closed), (Vec::new(), 1));
    tamper(&enrolled, "DELETE FROM run");
    assert_eq!(enrolled.completeness("2026-12-01T00:00:00Z").await.unaccounted, 1);
}
