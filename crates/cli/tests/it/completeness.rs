//! What was due, compared with what is on record (A1): by `cohort doctor`, and by `/metrics` of a
//! running agent.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::program::{Finished, cohort};
use crate::serving::{PATIENCE, Up};

fn doctor(data: &Path, arguments: &[&str]) -> Finished {
    cohort(&[&["doctor", "--data", data.to_str().expect("text")], arguments].concat(), "")
}

#[test]
fn the_doctor_compares_what_was_due_with_the_record_and_names_what_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("demo");
    let made = cohort(
        &["demo", "--dir", data.to_str().expect("text"), "--from", "2026-12-01", "--days", "2"],
        "",
    );
    assert_eq!(made.code, 0, "{}", made.stderr);
    let well = doctor(&data, &["--since", "48h", "--json"]);
    assert_eq!(well.code, 0, "{}", well.stdout);
    let account = serde_json::from_str::<Value>(&well.stdout).expect("JSON")["account"].clone();
    let job = &account["jobs"][0];
    assert_eq!((&account["unaccounted"], &job["members"]), (&json!(0), &job["on_record"]));
    assert!(job["due"].as_u64().is_some_and(|due| due >= 10), "{job}");

    let ledger = rusqlite::Connection::open(data.join("ledger.db")).expect("opens");
    let gone = "DELETE FROM run WHERE timezone = 'UTC' AND nominal = '2026-12-02T09:00'";
    assert_eq!(ledger.execute(gone, []).expect("deleted"), 1);
    drop(ledger);
    let ill = doctor(&data, &[]);
    assert_eq!(ill.code, 1);
    let has = |words: &[&str]| {
        ill.stdout.lines().any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(has(&["occurrences", "FAILED", "1 of "]), "{}", ill.stdout);
    assert!(has(&["daily:09:00 UTC", "2026-12-02T09:00", "no_run"]), "{}", ill.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_tells_the_metrics_of_both_services_to_who_has_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, config) = (folder.path().join("data"), folder.path().join("batch.json"));
    std::fs::write(folder.path().join("post.txt"), "for {{ tenant_id }}").expect("written");
    let job = json!({
        "job_id": "briefs", "type": "individual_batch", "purpose_id": "write",
        "preference_based": true, "feature_type": "posts",
        "default_preferences": {"frequency": "daily"}
    });
    let purpose =
        json!({"handler": "template", "template_file": "post.txt", "output_dir": "posts"});
    std::fs::write(
        &config,
        json!({"batch_processing_jobs": [job], "purposes": {"write": purpose}}).to_string(),
    )
    .expect("written");
    let up = Up::start(&data, &["--batch-config", config.to_str().expect("text")], &[]);
    up.rest()
        .put("/tenants/zoe/preferences/posts", json!({"preferred_time": "10:00"}).to_string())
        .await;
    assert_eq!(up.rest().post("/jobs/briefs/trigger", Value::Null).await.status, 200);

    let url = format!("http://{}/metrics", up.address());
    let without_key = crate::serving::http().get(&url).send().await.expect("answered");
    assert_eq!(without_key.status(), 401);
    let (asked, key) = (Instant::now(), up.key());
    let expected = [
        "cohort_outcomes_total{job=\"briefs\",status=\"succeeded\",reason=\"\"} 1",
        "cohort_occurrences_unaccounted 0",
        "cohort_groups{job=\"briefs\"} 1",
        "cohort_runs_open{state=\"processing\"} 0",
        "cohort_calls_in_flight 0",
    ];
    // The counters follow the record, which nobody can wait for from outside.
    let text = loop {
        let text = crate::serving::http()
            .get(&url)
            .bearer_auth(&key)
            .send()
            .await
            .expect("answered")
            .text()
            .await
            .expect("text");
        if expected.iter().all(|line| text.lines().any(|told| told == *line)) {
            break text;
        }
        assert!(asked.elapsed() < PATIENCE, "{text}");
    };
    for part in [
        "cohort_config_requests_total{",
        "cohort_handler_call_seconds_count{purpose=\"write\"} 1",
        "cohort_chunk_claims_total 1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("zoe"), "{text}");
}
