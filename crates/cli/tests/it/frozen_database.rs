//! PostgreSQL frozen by SIGSTOP under real processes (F6): it takes connections and never answers.

use std::time::{Duration, Instant};

use cohort_database::testing::PrivateServer;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::apart::{Apart, Calls, until_scheduled, until_within};
use crate::serving::Up;

/// A request to a frozen database is answered within 15 s; a slow machine gets more.
const ANSWERED_WITHIN: Duration = Duration::from_secs(40);

/// What a process takes beyond its grace to end, on a slow machine.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// What an outage of the ledger may take to be over for everybody.
const RECOVERED_WITHIN: Duration = Duration::from_mins(2);

const DAILY: &str = r#"{"frequency": "daily", "preferred_time": "09:00"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_config_database_answers_503_goes_on_by_itself_and_ends_when_asked() {
    let server = PrivateServer::start();
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("admin.key");
    let arguments = ["config-service", "--database-url", &server.url, "--admin-key-file"];
    let mut arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
    arguments.push(key.as_os_str());
    let service = Up::start_command(folder.path(), &arguments, &[]);
    let rest = service.rest();
    let path = "/tenants/ann/preferences/posts";
    assert_eq!(rest.put(path, DAILY).await.status, 201);

    server.freeze();
    let asked = Instant::now();
    let (put, other, get) =
        tokio::join!(rest.put(path, DAILY), rest.put("/tenants/bob/preferences/posts", DAILY), {
            rest.get("/preferences/changes")
        });
    println!("answered after {:?}", asked.elapsed());
    assert!(asked.elapsed() < ANSWERED_WITHIN, "{:?}", asked.elapsed());
    for answer in [put, other, get] {
        assert_eq!((answer.status, &*answer.kind), (503, "application/problem+json"), "{answer:?}");
        assert!(answer.retry_after.is_some(), "{answer:?}");
        let is_plain = ["does not answer", "took longer", "stayed in use"];
        assert!(is_plain.iter().any(|words| answer.text.contains(words)), "{answer:?}");
    }

    server.thaw();
    let goes_on = async || rest.put(path, DAILY).await.status == 200;
    until_within(RECOVERED_WITHIN, "writes are stored again", goes_on).await;

    server.freeze();
    let late = tokio::spawn(async move { rest.try_put(path, DAILY).await });
    let (ended, took) = service.terminate();
    println!("ended after {took:?}");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took < ENDED_WITHIN, "{took:?}");
    drop(late.await.expect("no panic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_ledger_is_frozen_ends_within_its_grace_and_a_moment() {
    let server = PrivateServer::start();
    let (calls, endpoint) = Calls::endpoint_that_answers(0).await;
    let apart = Apart::with_endpoint(&endpoint);
    let (_, key) = apart.agent_key().await;
    apart.set("ann", &json!({"frequency": "daily", "preferred_time": "09:00"})).await;
    let agent = apart.agent_on(&server.url, "frozen", &key);
    until_scheduled(&agent.rest(), &[("09:00", 1)]).await;
    let triggered = agent.rest().post("/jobs/posts_job/trigger", json!({})).await;
    assert_eq!(triggered.status, 200, "{}", triggered.text);
    let is_called = async || calls.times().len() == 1;
    until_within(RECOVERED_WITHIN, "the call has begun", is_called).await;

    server.freeze();
    // What is answered now cannot be recorded.
    calls.answers.add_permits(1);
    let (ended, took) = agent.terminate();
    println!("ended after {took:?}");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took < Duration::from_secs(25) + ENDED_WITHIN, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_ledger_was_frozen_goes_on_by_itself() {
    let server = PrivateServer::start();
    let (calls, endpoint) = Calls::endpoint_that_answers(10).await;
    let apart = Apart::with_endpoint(&endpoint);
    let (_, key) = apart.agent_key().await;
    for user in 0..60 {
        let daily = json!({"frequency": "daily", "preferred_time": "09:00"});
        apart.set(&format!("user{user}"), &daily).await;
    }
    let mut agent = apart.agent_on(&server.url, "frozen", &key);
    let rest = agent.rest();
    until_scheduled(&rest, &[("09:00", 60)]).await;
    let triggered = rest.post("/jobs/posts_job/trigger", json!({})).await;
    assert_eq!(triggered.status, 200, "{}", triggered.text);
    let is_called = async || calls.times().len() > 10;
    until_within(RECOVERED_WITHIN, "some are called", is_called).await;

    server.freeze();
    let away = rest.get("/runs").await;
    assert_eq!(away.status, 503, "{away:?}");
    assert!(away.retry_after.is_some() && away.text.contains("does not answer"), "{away:?}");
    agent.until_logged("for an answer of the database");
    server.thaw();
    calls.answers.add_permits(Semaphore::MAX_PERMITS / 2);

    let is_done =
        async || rest.get("/runs").await.status == 200 && rest.outcomes().await.len() == 60;
    until_within(RECOVERED_WITHIN, "every user has an outcome", is_done).await;
    let outcomes = rest.outcomes().await;
    assert!(outcomes.iter().all(|outcome| outcome["status"] == "succeeded"), "{outcomes:?}");
}
