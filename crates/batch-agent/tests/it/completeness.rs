//! Every due occurrence is accounted for (A1): what the check finds where nothing is wrong, and
//! where something was planted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use cohort_batch_agent::{
    CompletenessFault, CompletenessReport, JobRegistry, KeyCheck, SourceError, agent_api,
    agent_metrics,
};
use cohort_config_client::KeyInfo;
use cohort_preferences::Clock;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::faulty_ledger::{Fate, FaultyLedger, Point, Refused};
use crate::live::live;
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

/// Knows every key, and lets it do everything.
struct EveryKey;

#[async_trait]
impl KeyCheck for EveryKey {
    async fn holder(&self, _key: &str) -> Result<Option<KeyInfo>, SourceError> {
        Ok(Some(KeyInfo { name: "ann".into(), scopes: vec!["admin".into()] }))
    }
}

/// What `GET /account` says of a stage whose agent is up.
async fn get_account(stage: &Stage, query: &str) -> (u16, Value) {
    let agent = stage.agent().await;
    let routes = agent_api(JobRegistry::of_agent(&agent.processor), Arc::new(EveryKey));
    let request = Request::get(format!("/account{query}")).header("authorization", "Bearer k");
    let request = request.body(Body::empty()).expect("a request");
    let response = routes.oneshot(request).await.expect("the routes cannot fail");
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn an_enormous_since_reports_the_whole_record() {
    let stage = stage(&json!({}));
    stage.run_until("2026-12-05T12:00:00Z").await;
    let (_, of_two_days) = get_account(&stage, "").await;
    let whole = json!(stage.completeness("2026-12-01T00:00:00Z").await);
    assert!(of_two_days["jobs"][0]["due"].as_u64() < whole["jobs"][0]["due"].as_u64());
    for since in ["99999999h", "9223372036854775807s"] {
        let (status, report) = get_account(&stage, &format!("?since={since}")).await;
        assert_eq!((status, &report["jobs"]), (200, &whole["jobs"]), "{since}");
    }
}

#[tokio::test]
async fn a_since_that_is_no_span_of_time_is_refused_by_its_name() {
    for since in ["a%20while", "-1h", "99999999999999999999h"] {
        let (status, problem) = get_account(&stage(&json!({})), &format!("?since={since}")).await;
        assert_eq!(status, 422, "{problem}");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains("since")),
            "{problem}"
        );
    }
}

/// Takes what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_logged_of_a_request_names_its_method_and_its_route() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    get_account(&stage(&json!({})), "").await;
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    let handled = log.lines().find(|line| line.contains("handled")).expect("logged");
    assert!(handled.contains("request{method=GET path=\"/account\"}"), "{handled}");
    assert!(handled.contains("status=200"), "{handled}");
}

/// Refuses to open runs while it is told to.
#[derive(Default)]
struct CannotPlan(AtomicBool);

#[async_trait]
impl Fate for CannotPlan {
    async fn meet(&self, point: Point) -> Result<(), Refused> {
        let refuses = self.0.load(Ordering::SeqCst);
        if refuses && point.operation == "ledger.open_runs" { Err(Refused) } else { Ok(()) }
    }
}

const UNACCOUNTED: &str = "cohort_occurrences_unaccounted";

async fn get_metrics(routes: &Router) -> String {
    let request = Request::get("/metrics").header("authorization", "Bearer k");
    let request = request.body(Body::empty()).expect("a request");
    let response = routes.clone().oneshot(request).await.expect("the routes cannot fail");
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    String::from_utf8(body.to_vec()).expect("text")
}

/// As after a process was stopped for minutes: what fell due meanwhile is old enough to be judged,
/// and is recorded only now.
#[tokio::test(start_paused = true)]
async fn what_is_recorded_while_it_is_checked_raises_no_alarm() {
    let stage = Stage::with_daily_users(3, &json!({}));
    let fate = Arc::new(CannotPlan::default());
    let ledger = FaultyLedger::new(stage.ledger(), fate.clone());
    let agent = stage.agent_of(stage.builder_on(Arc::new(ledger))).await;
    stage.clock.advance_to(instant("2026-12-01T08:58:30Z"));
    let (routes, mut checks) = (agent_metrics(agent.processor.clone(), Arc::new(EveryKey)), 0);
    live(&agent, Duration::from_secs(25), async {
        for second in 0..150 {
            if second == 50 {
                fate.0.store(true, Ordering::SeqCst);
                stage.clock.advance_to(instant("2026-12-01T09:02:40Z"));
            }
            // The check is made each minute: it finds nothing on record, which is there before it
            // looks again.
            fate.0.store((50..65).contains(&second), Ordering::SeqCst);
            stage.clock.advance_to(stage.clock.now() + SignedDuration::from_secs(1));
            tokio::time::sleep(Duration::from_secs(1)).await;
            let told = get_metrics(&routes).await;
            if let Some(line) = told.lines().find(|line| line.starts_with(UNACCOUNTED)) {
                assert_eq!(line, format!("{UNACCOUNTED} 0"), "after {second} s");
                checks += 1;
            }
        }
    })
    .await;
    assert!(checks > 60, "it was checked");
    stage.assert_each_succeeded_once(3, &["2026-12-01T09:00"]).await;
}
