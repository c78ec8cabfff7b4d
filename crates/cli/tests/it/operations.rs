//! `cohort cancel`, `retry`, `outcomes --follow` and `export --outcomes`, on a running `cohort up`
//! whose handler is the test's own.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::handler::{Arrivals, serve_work};
use crate::program::cohort;
use crate::serving::{PATIENCE, Rest, Up};
use crate::test_folder::TestFolder;

/// A handler that refuses whom it is told to, and answers when it is let.
#[derive(Clone)]
struct Endpoint {
    refused: Arc<Mutex<HashSet<String>>>,
    /// One permit a call that may be answered.
    answers: Arc<Semaphore>,
    arrivals: Arc<Arrivals>,
}

impl Endpoint {
    /// Serves it, and says where.
    async fn start() -> (Self, String) {
        let endpoint = Self {
            refused: Arc::default(),
            answers: Arc::new(Semaphore::new(0)),
            arrivals: Arc::default(),
        };
        let url = serve_work(post(Self::work).with_state(endpoint.clone())).await;
        (endpoint, url)
    }

    async fn work(State(endpoint): State<Self>, Json(event): Json<Value>) -> Json<Value> {
        endpoint.arrivals.count();
        endpoint.answers.acquire().await.expect("never closed").forget();
        let refused = endpoint.refused.lock().expect("no panic").clone();
        let result = |user: &Value| match &user["tenant_id"] {
            Value::String(name) if refused.contains(name) => {
                json!({"tenant_id": name, "status": "failed", "error": "no such account"})
            }
            name => json!({"tenant_id": name, "status": "succeeded"}),
        };
        let users = event["data"]["users"].as_array().expect("users");
        Json(json!({"results": users.iter().map(result).collect::<Vec<_>>()}))
    }

    fn refuse(&self, names: &[&str]) {
        *self.refused.lock().expect("no panic") = names.iter().map(ToString::to_string).collect();
    }
}

/// A served folder with one job and these users, who are due when it is triggered.
struct Served {
    up: Up,
    endpoint: Endpoint,
    folder: TestFolder,
}

impl Served {
    async fn with_users(names: &[String]) -> Self {
        let (endpoint, url) = Endpoint::start().await;
        let folder = TestFolder::new();
        let job = json!({"job_id": "a", "type": "individual_batch", "purpose_id": "write",
            "preference_based": true, "feature_type": "posts"});
        let batch = json!({"batch_processing_jobs": [job],
            "purposes": {"write": {"handler": "http", "url": url}}});
        let file = folder.write("batch.json", &batch.to_string());
        let up = Up::start(&folder.data(), &["--batch-config", &file], &[]);
        for name in names {
            let preference = json!({"frequency": "monthly", "preferred_day": 1,
                "preferred_time": "00:00", "timezone": "UTC"});
            let put = up
                .rest()
                .put(&format!("/tenants/{name}/preferences/posts"), preference.to_string())
                .await;
            assert_eq!(put.status, 201, "{}", put.text);
        }
        Self { up, endpoint, folder }
    }

    fn rest(&self) -> Rest {
        self.up.rest()
    }

    /// Waits until so many more outcomes are in the feed, and says what they are and where the feed
    /// then stands.
    async fn follow(&self, cursor: Option<&str>, outcomes: usize) -> (Vec<String>, String) {
        let (mut told, mut cursor) = (Vec::new(), cursor.map(str::to_owned));
        while told.len() < outcomes {
            let place = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = self.rest().get(&format!("/outcomes/feed?wait=30{place}")).await.json();
            let of = |outcome: &Value| {
                format!(
                    "{} {}",
                    outcome["tenant_id"].as_str().expect("text"),
                    outcome["status"].as_str().expect("text")
                )
            };
            told.extend(page["outcomes"].as_array().expect("a list").iter().map(of));
            cursor = page["next"].as_str().map(str::to_owned);
        }
        told.sort();
        (told, cursor.expect("a page was read"))
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_seen_tried_again_by_error_and_followed_to_its_end() {
    let served = Served::with_users(&names(&["ann", "bob"])).await;
    served.endpoint.answers.add_permits(10);
    served.endpoint.refuse(&["bob"]);
    served.folder.line(&["trigger", "a"]);
    let (told, place) = served.follow(None, 2).await;
    assert_eq!(told, ["ann succeeded", "bob failed"]);
    let failed = served.folder.run(&["outcomes", "--status", "failed"]).stdout;
    assert!(
        failed.contains("bob")
            && failed.contains("rejected: no such account")
            && !failed.contains("ann"),
        "{failed}"
    );

    let named = served.folder.run(&["retry", "1", "--user", "ann", "--user", "bob"]);
    assert!(
        named.code == 1 && named.stderr.contains("not failed as asked for: ann (succeeded)"),
        "{}",
        named.stderr
    );
    let nobody = served.folder.run(&["retry", "1", "--error", "timeout"]);
    assert!(
        nobody.code == 1 && nobody.stderr.contains("nobody has failed as asked for"),
        "{}",
        nobody.stderr
    );
    served.endpoint.refuse(&[]);
    assert_eq!(
        served.folder.line(&[
            "retry",
            "--job",
            "a",
            "--since",
            "2020-01-01T00:00:00Z",
            "--error",
            "no such"
        ]),
        "1 user is tried again"
    );
    assert_eq!(served.follow(Some(&place), 1).await.0, ["bob succeeded"]);

    let attempts = served.rest().get("/runs/1/attempts?tenant=bob").await.json();
    let told: Vec<_> = attempts["attempts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|attempt| attempt["status"].clone())
        .collect();
    assert_eq!(told, ["failed", "succeeded"]);
    let shown = served.folder.run(&["run", "show", "1", "--tenant", "bob"]).stdout;
    assert!(
        shown.contains("bob") && shown.contains("no such account") && !shown.contains("ann"),
        "{shown}"
    );
    let lines = served.folder.run(&["run", "show", "1", "--json"]).stdout;
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&lines[0]["run"]["state"], lines.len()), (&json!("closed"), 1 + 3));
    let ended = served.folder.run(&["cancel", "1"]);
    assert!(ended.code == 1 && ended.stderr.contains("run 1 was closed at 20"), "{}", ended.stderr);
    let unknown = served.folder.run(&["cancel", "99"]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains("there is no run 99"),
        "{}",
        unknown.stderr
    );

    let record = served.folder.path("record.jsonl");
    assert_eq!(served.folder.line(&["export", &record, "--outcomes"]), "1 runs, 2 outcomes");
    let lines = std::fs::read_to_string(record).expect("written");
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.iter().filter(|line| line["run"]["state"] == "closed").count(), 1);
    assert_eq!(lines.iter().filter(|line| line["outcome"]["status"] == "succeeded").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_run_lets_open_calls_end_and_makes_no_more() {
    let users: Vec<String> = (0..40).map(|user| format!("u{user}")).collect();
    let served = Served::with_users(&users).await;
    served.folder.line(&["trigger", "a"]);
    // As many as may be called at once.
    served.endpoint.arrivals.until(25, PATIENCE).await;
    assert!(served.folder.line(&["cancel", "1"]).starts_with("run 1 is canceled since 20"));
    let again = served.folder.run(&["cancel", "1"]);
    assert!(again.code == 1 && again.stderr.contains("was canceled before"), "{}", again.stderr);
    served.endpoint.answers.add_permits(100);
    let (told, _place) = served.follow(None, 40).await;
    assert_eq!(told.iter().filter(|outcome| outcome.ends_with(" succeeded")).count(), 25);
    assert_eq!(told.iter().filter(|outcome| outcome.ends_with(" skipped")).count(), 15);
    assert_eq!(served.endpoint.arrivals.so_far(), 25);
    let run = served.rest().get("/runs/1").await.json();
    assert_eq!(
        (&run["state"], &run["succeeded"], &run["skipped"]),
        (&json!("closed"), &json!(25), &json!(15))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_all_that_is_open_and_what_was_skipped_is_done_after_a_resume() {
    let users: Vec<String> = (0..40).map(|user| format!("u{user}")).collect();
    let served = Served::with_users(&users).await;
    let twice = [(); 2].map(|()| served.folder.json(&["trigger", "a"]).remove(0));
    served.endpoint.arrivals.until(25, PATIENCE).await;
    let by_name = served.folder.line(&["cancel", twice[1]["nominal"].as_str().expect("text")]);
    assert!(by_name.starts_with("1 open run with "), "{by_name}");
    let would = served.folder.json(&["stop", "--all", "--dry-run"]).remove(0);
    assert_eq!((&would["jobs"], &would["runs"]), (&json!(["a"]), &json!(1)));
    let stopped = served.folder.line(&["stop", "--all"]);
    assert!(stopped.starts_with("every job is stopped: 1 open run with 40 users end"), "{stopped}");
    served.endpoint.answers.add_permits(100);
    let (told, place) = served.follow(None, 80).await;
    assert_eq!(told.iter().filter(|outcome| outcome.ends_with(" succeeded")).count(), 25);
    assert_eq!(served.endpoint.arrivals.so_far(), 25, "no call begins once it is answered");
    assert_eq!(served.folder.json(&["jobs"])[0]["state"], "paused");

    assert_eq!(served.folder.line(&["resume", "--all"]), "resumed: a");
    let canceled = ["rerun", "1", "--status", "skipped", "--reason", "canceled"];
    let opened = served.folder.json(&canceled).remove(0);
    assert_eq!(opened["users"], 15);
    let (told, _place) = served.follow(Some(&place), 15).await;
    assert!(told.iter().all(|outcome| outcome.ends_with(" succeeded")), "{told:?}");
    assert_eq!(served.endpoint.arrivals.so_far(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_followed_as_lines_from_the_oldest_on() {
    let served = Served::with_users(&names(&["ann"])).await;
    let mut follower = Command::new(env!("CARGO_BIN_EXE_cohort"))
        .args(["outcomes", "--follow", "--from", "oldest", "--data", &served.folder.path("data")])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    served.endpoint.answers.add_permits(10);
    served.folder.line(&["trigger", "a"]);
    let stdout = follower.stdout.take().expect("piped");
    let line = tokio::task::spawn_blocking(move || BufReader::new(stdout).lines().next());
    let line = tokio::time::timeout(PATIENCE, line)
        .await
        .expect("it tells")
        .expect("no panic")
        .expect("a line")
        .expect("text");
    let outcome: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&outcome["tenant_id"], &outcome["status"]), (&json!("ann"), &json!("succeeded")));
    // Where to go on from is said on the way, for a reader that is killed.
    let stderr = follower.stderr.take().expect("piped");
    let said = tokio::task::spawn_blocking(move || BufReader::new(stderr).lines().next());
    let said = tokio::time::timeout(PATIENCE, said).await.expect("it tells").expect("no panic");
    let said = said.expect("a line").expect("text");
    assert!(said.starts_with("to go on from here: --follow --from "), "{said}");
    follower.kill().expect("it runs");
    follower.wait().expect("it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_waits_ends_when_the_service_does() {
    let served = Served::with_users(&[]).await;
    let poll = crate::serving::http()
        .get(format!("{}/outcomes/feed?cursor=now&wait=30", served.up.base()))
        .bearer_auth(served.up.key());
    let poll = tokio::spawn(async move { poll.send().await?.text().await });
    // Another request that was sent after it has been answered.
    served.rest().get("/jobs").await;
    let Served { up, folder, .. } = served;
    let (ended, _took) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("cut off"), "{}", ended.stderr);
    // It fails only if it came when nobody listened any more.
    if let Ok(page) = poll.await.expect("no panic") {
        assert_eq!(serde_json::from_str::<Value>(&page).expect("JSON")["outcomes"], json!([]));
    }
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_keys_follow_and_do_not_act_and_wrong_requests_are_told_so() {
    let served = Served::with_users(&names(&["ann"])).await;
    let made = served.folder.run(&["keys", "create", "reader", "--scope", "read"]);
    let reader = served.rest().with_key(made.stdout.trim());
    assert_eq!(reader.get("/outcomes/feed").await.status, 200);
    for path in ["/runs/1/cancel", "/runs/1/retry", "/jobs/a/retry"] {
        let refused = reader.post(path, json!({})).await;
        assert_eq!(
            (refused.status, refused.kind.as_str()),
            (403, "application/problem+json"),
            "{path}"
        );
    }
    let gone = reader.get("/outcomes/feed?cursor=00000000-0-1").await;
    assert_eq!(
        (gone.status, gone.kind.as_str()),
        (410, "application/problem+json"),
        "{}",
        gone.text
    );
    for path in
        ["/outcomes/feed?cursor=yesterday", "/outcomes/feed?wait=31", "/outcomes/feed?colour=red"]
    {
        assert_eq!(reader.get(path).await.status, 422, "{path}");
    }
    assert_eq!(reader.get("/runs/1/attempts").await.status, 404);
    let admin = served.rest();
    assert_eq!(admin.post("/runs/1/retry", json!({})).await.status, 404);
    assert_eq!(admin.post("/jobs/lost/retry", json!({})).await.status, 404);
    assert_eq!(admin.post("/jobs/a/retry", json!({"colour": "red"})).await.status, 422);
    assert_eq!(
        admin.post("/runs/1/retry", json!({"since": "2020-01-01T00:00:00Z"})).await.status,
        422
    );
    assert_eq!(admin.post("/jobs/a/retry", json!({"reason": "mood"})).await.status, 422);
    assert_eq!(admin.post("/jobs/a/retry", json!({})).await.status, 409, "nobody has failed");
}

#[test]
fn a_retention_that_is_too_short_is_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let ended =
        cohort(&["up", "--data", data.to_str().expect("text"), "--ledger-retention", "39d"], "");
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("--ledger-retention: expected at least 40 days"),
        "{}",
        ended.stderr
    );
    assert!(!data.exists());
}
