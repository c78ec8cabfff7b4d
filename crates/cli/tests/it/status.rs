//! `cohort status`: is all well, and if not, what is wrong and what to do (A4).

use axum::http::StatusCode;
use axum::routing::post;
use cohort_fault_proxy::Fault;
use serde_json::{Value, json};

use crate::apart::{Apart, Calls, until, until_ready};
use crate::handler::serve_work;
use crate::program::{Finished, cohort, cohort_with};
use crate::serving::Up;
use crate::test_folder::TestFolder;

/// A folder with one user, and a job whose purpose is this endpoint.
fn folder_with(endpoint: &str) -> (TestFolder, String) {
    let daily = json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC"});
    let line = json!({"tenant_id": "ann", "feature_type": "posts", "preference": daily});
    let folder = TestFolder::with_lines(&line.to_string());
    let batch = json!({
        "batch_processing_jobs": [{"job_id": "posts_job", "type": "individual_batch",
            "feature_type": "posts", "purpose_id": "write", "preference_based": true}],
        "purposes": {"write": {"handler": "http", "url": endpoint}},
    });
    let batch = folder.write("batch.json", &batch.to_string());
    (folder, batch)
}

/// The kinds of what was found, and the exit code.
async fn look(folder: &TestFolder) -> (i32, Value) {
    let data = folder.data();
    let asked = tokio::task::spawn_blocking(move || {
        cohort(&["status", "--json", "--data", data.to_str().expect("text")], "")
    });
    let Finished { code, stdout, stderr } = asked.await.expect("no panic");
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}")))
}

fn has(status: &Value, kind: &str) -> bool {
    let findings = status["findings"].as_array().expect("a list");
    findings.iter().any(|finding| finding["kind"] == kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_while_an_agent_works_and_not_before_nor_afterwards() {
    let endpoint = serve_work(post(async || StatusCode::OK)).await;
    let (folder, batch) = folder_with(&endpoint);
    let (code, before) = look(&folder).await;
    assert_eq!((code, has(&before, "no_agent")), (1, true), "{before}");
    let up = Up::start(&folder.data(), &["--batch-config", &batch], &[]);
    let (code, status) = look(&folder).await;
    assert_eq!((code, &status["well"]), (0, &json!(true)), "{status}");
    assert_eq!(status["findings"], json!([]));
    assert_eq!(status["jobs"][0]["job_id"], "posts_job");
    assert_eq!(status["agents"][0]["agent"], "embedded");
    let doctor = folder.run(&["doctor"]);
    assert!(doctor.code == 0 && doctor.stdout.contains("all is well"), "{}", doctor.stdout);
    up.terminate();
    assert_eq!(look(&folder).await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_failed_makes_status_and_doctor_end_with_1_and_name_a_command() {
    let endpoint = serve_work(post(async || StatusCode::UNPROCESSABLE_ENTITY)).await;
    let (folder, batch) = folder_with(&endpoint);
    let up = Up::start(&folder.data(), &["--batch-config", &batch], &[]);
    let triggered = up.rest().post("/jobs/posts_job/trigger", json!({})).await;
    assert_eq!(triggered.status, 200, "{}", triggered.text);
    until("a failure is found", async || has(&look(&folder).await.1, "failed")).await;
    let told = folder.run(&["status"]);
    assert_eq!(told.code, 1);
    assert!(told.stdout.starts_with("✗  Not well: 1 user of posts_job failed."), "{}", told.stdout);
    let command = "→ cohort outcomes --job posts_job --status failed --data";
    assert!(told.stdout.contains(command), "{}", told.stdout);
    let doctor = folder.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.stdout.contains("has failed for 1 user"), "{}", doctor.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purpose_that_is_away_is_found_with_those_who_wait() {
    let endpoint = serve_work(post(async || StatusCode::SERVICE_UNAVAILABLE)).await;
    let (folder, batch) = folder_with(&endpoint);
    let up = Up::start(&folder.data(), &["--batch-config", &batch], &[]);
    let triggered = up.rest().post("/jobs/posts_job/trigger", json!({})).await;
    assert_eq!(triggered.status, 200, "{}", triggered.text);
    until("somebody waits", async || look(&folder).await.1["jobs"][0]["users_waiting"] == json!(1))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_asked_is_said_with_2_and_what_to_do() {
    let away = cohort(&["status", "--url", "http://127.0.0.1:1/api/v1"], "");
    assert_eq!(away.code, 2, "{}", away.stderr);
    assert!(away.stderr.contains("is it running?"), "{}", away.stderr);
    let nowhere = cohort(&["status"], "");
    assert_eq!(nowhere.code, 2, "{}", nowhere.stderr);

    let (_calls, endpoint) = Calls::endpoint().await;
    let apart = Apart::with_endpoint(&endpoint);
    let agent = apart.agent(&apart.agent_key().await.1);
    until_ready(&agent).await;
    let environment = [("CONFIG_SERVICE_API_KEY".to_owned(), agent.key())];
    let asked = cohort_with(&["status", "--url", &apart.config_base()], &environment, "");
    assert_eq!(asked.code, 2, "{}", asked.stderr);
    assert!(asked.stderr.contains("COHORT_AGENT_URL"), "{}", asked.stderr);
    let asked = cohort_with(&["status", "--url", &agent.base()], &environment, "");
    assert_eq!(asked.code, 0, "{}{}", asked.stdout, asked.stderr);
    apart.config_database_has(Fault::Refuse).await;
    until("who cannot check the key says why", async || {
        let (url, environment) = (agent.base(), environment.clone());
        let asked = tokio::task::spawn_blocking(move || {
            cohort_with(&["status", "--url", &url], &environment, "")
        });
        let asked = asked.await.expect("no panic");
        asked.code == 1 && asked.stdout.contains("the change feed: ")
    })
    .await;
}
