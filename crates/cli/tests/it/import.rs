//! `cohort import`: both formats, the report, and going on after it was killed or the service went
//! away.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::handler::serve;
use crate::program::cohort;
use crate::serving::Up;

/// More than two transactions' worth.
const USERS: usize = 25_000;

/// The line that is wrong: in the second transaction, so that its report says that the first is
/// noted and the last is to come.
const WRONG_LINE: usize = 10_500;

fn preference(user: usize) -> Value {
    let time = format!("{:02}:{:02}", user % 24, user % 4 * 15);
    let preference = match user % 3 {
        0 => json!({"frequency": "daily", "preferred_time": time, "timezone": "Asia/Tokyo"}),
        1 => {
            json!({"frequency": "weekly", "preferred_day": ["monday", "friday"],
                "preferred_time": time})
        }
        _ => {
            json!({"enabled": false, "frequency": "monthly", "preferred_day": 31,
                "template_overrides": {"say": "a \"b\",\nc"}})
        }
    };
    if user + 1 == WRONG_LINE { json!({"frequency": "never"}) } else { preference }
}

fn json_lines() -> String {
    (0..USERS).fold(String::new(), |mut text, user| {
        let line = json!({"tenant_id": format!("user{user}"), "feature_type": "posts",
            "preference": preference(user)});
        writeln!(text, "{line}").expect("a String takes everything");
        text
    })
}

/// The columns of a preference.
const FIELDS: [&str; 6] =
    ["enabled", "frequency", "preferred_time", "preferred_day", "timezone", "template_overrides"];

/// Returns the same preferences as CSV; those with overrides span two lines.
fn csv() -> String {
    let mut text = format!("tenant_id,feature_type,{}\r\n", FIELDS.join(","));
    for user in 0..USERS {
        let preference = preference(user);
        let cell = |field: &str| match &preference[field] {
            Value::Null => String::new(),
            Value::String(cell) => cell.clone(),
            Value::Array(days) => {
                days.iter().map(|day| day.as_str().expect("a day")).collect::<Vec<_>>().join("|")
            }
            Value::Object(overrides) => {
                format!(
                    "\"{{\n{}",
                    &serde_json::to_string(overrides).expect("JSON").replace('"', "\"\"")[1..]
                ) + "\""
            }
            other => other.to_string(),
        };
        let cells = FIELDS.map(cell);
        write!(text, "user{user},posts,{}\r\n", cells.join(","))
            .expect("a String takes everything");
    }
    text
}

/// All preferences with their versions, as the service says them.
async fn content(data: &Path) -> Vec<Value> {
    let up = Up::start(data, &[], &[]);
    let mut all = Vec::with_capacity(USERS);
    for first in (0..USERS).step_by(1_000) {
        let tenants: Vec<_> = (first..first + 1_000).map(|user| format!("user{user}")).collect();
        let answer = up
            .rest()
            .post("/preferences/batch-get", json!({"feature_type": "posts", "tenant_ids": tenants}))
            .await;
        all.extend(answer.json()["preferences"].as_array().expect("a list").iter().cloned());
    }
    all
}

/// Runs an import until it reports the wrong line, and kills it.
fn import_and_kill(file: &str, data: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cohort"))
        .args(["import", file, "--data", data])
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let mut reports = BufReader::new(child.stderr.take().expect("piped")).lines();
    let report = reports.next().expect("a report").expect("text");
    assert!(report.starts_with("line "), "{report}");
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
}

async fn a_killed_import_goes_on(name: &str, text: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, data, whole) =
        (folder.path().join(name), folder.path().join("data"), folder.path().join("whole"));
    std::fs::write(&file, text).expect("written");
    let path = |path: &Path| path.to_str().expect("text").to_owned();
    let (file, data_text) = (path(&file), path(&data));

    import_and_kill(&file, &data_text);
    let again = cohort(&["import", &file, "--data", &data_text, "--json"], "");
    assert_eq!(again.code, 2, "{}", again.stderr);
    assert!(again.stderr.contains("going on behind line"), "{}", again.stderr);
    let uninterrupted = cohort(&["import", &file, "--data", &path(&whole), "--json"], "");
    assert_eq!(
        uninterrupted.stdout,
        format!("{{\"lines\":{USERS},\"stored\":{},\"unchanged\":0,\"refused\":1}}\n", USERS - 1)
    );
    assert_eq!(content(&data).await, content(&whole).await);
    assert!(!Path::new(&format!("{file}.cohort-progress")).exists(), "it is through");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_json_lines_that_is_killed_ends_as_one_that_was_not() {
    a_killed_import_goes_on("users.jsonl", &json_lines()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_csv_that_is_killed_ends_as_one_that_was_not() {
    a_killed_import_goes_on("users.csv", &csv()).await;
}

#[test]
fn the_report_holds_what_is_refused_and_standard_error_only_how_much() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    std::fs::write(
        path("users.CSV"),
        "feature_type,tenant_id,preferred_time\nposts,ann,25:00\nposts,bob\nposts,eve,\n",
    )
    .expect("written");
    let ended = cohort(
        &["import", &path("users.CSV"), "--data", &path("data"), "--report", &path("report")],
        "",
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (2, "3 lines: 1 stored, 0 unchanged, 2 refused\n")
    );
    assert_eq!(ended.stderr, "error: 2 of 3 lines are wrong and were not stored\n");
    let report = std::fs::read_to_string(path("report")).expect("written");
    let report: Vec<Value> =
        report.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&report[0]["line"], &report[0]["tenant_id"]), (&json!(2), &json!("ann")));
    assert_eq!(report[0]["errors"][0]["pointer"], "/preferred_time");
    assert_eq!((&report[1]["line"], report.len()), (&json!(3), 2));
    let headless =
        cohort(&["import", "-", "--format", "csv", "--data", &path("data")], "tenant,feature\n");
    assert_eq!(headless.code, 2);
    assert!(headless.stderr.contains("/tenant: unknown column"), "{}", headless.stderr);
}

/// A service that breaks off behind the second result of its first import, and keeps what it was
/// sent.
async fn serve_and_break_off() -> (String, Arc<Mutex<VecDeque<String>>>) {
    let sent: Arc<Mutex<VecDeque<String>>> = Arc::default();
    let kept = Arc::clone(&sent);
    let import = move |body: Bytes| async move {
        let body = String::from_utf8(body.to_vec()).expect("text");
        let result =
            |line: usize| Ok(Bytes::from(format!("{{\"line\":{line},\"status\":\"stored\"}}\n")));
        let mut results: Vec<_> = (1..=body.lines().count()).map(result).collect();
        let mut kept = kept.lock().expect("no panic");
        kept.push_back(body);
        if kept.len() > 1 {
            return Body::from_stream(stream::iter(results));
        }
        results.truncate(2);
        let gone = async {
            // What stands before a pause is sent before it.
            tokio::task::yield_now().await;
            Err(std::io::Error::other("gone"))
        };
        Body::from_stream(stream::iter(results).chain(stream::once(gone)))
    };
    let position = || async { axum::Json(json!({"changes": [], "next": "0a0b0c0d-0"})) };
    let router = Router::new()
        .route("/api/v1/preferences/import", post(import))
        .route("/api/v1/preferences/changes", get(position));
    (format!("http://{}/api/v1", serve(router).await), sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_goes_away_is_asked_again_for_what_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.jsonl");
    std::fs::write(&file, "one\ntwo\nthree\nfour\n").expect("written");
    let (url, sent) = serve_and_break_off().await;
    let ended = tokio::task::spawn_blocking(move || {
        cohort(&["import", file.to_str().expect("text"), "--url", &url], "")
    })
    .await;
    let ended = ended.expect("no panic");
    assert_eq!(ended.stdout, "4 lines: 4 stored, 0 unchanged, 0 refused\n", "{}", ended.stderr);
    assert!(ended.stderr.contains("broken off behind line 2"), "{}", ended.stderr);
    assert_eq!(*sent.lock().expect("no panic"), ["one\ntwo\nthree\nfour\n", "three\nfour\n"]);
}

#[test]
fn progress_with_another_file_or_another_database_is_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let file = path("users.jsonl");
    std::fs::write(&file, json_lines()).expect("written");
    import_and_kill(&file, &path("data"));
    let left = std::fs::read(format!("{file}.cohort-progress")).expect("noted");
    let other = cohort(&["import", &file, "--data", &path("other"), "--json"], "");
    assert!(other.stderr.contains("beginning anew"), "{}", other.stderr);
    assert!(other.stdout.contains(&format!("\"stored\":{}", USERS - 1)), "{}", other.stdout);
    std::fs::write(format!("{file}.cohort-progress"), left).expect("written");
    std::fs::write(&file, json_lines() + "\n").expect("written");
    let grown = cohort(&["import", &file, "--data", &path("data")], "");
    assert!(grown.stderr.contains("beginning anew"), "{}", grown.stderr);
}
