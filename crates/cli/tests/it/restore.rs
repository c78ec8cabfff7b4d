//! A deployment that is put back from a backup holds until an operator decides (F11).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::due_folder::Folder;
use crate::lives::Endpoint;
use crate::program::{Finished, cohort};
use crate::serving::{Rest, Up};

/// A deployment that was backed up before its users were called, and restored elsewhere.
struct Restored {
    data: PathBuf,
    up: Up,
    _elsewhere: tempfile::TempDir,
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[track_caller]
fn done(arguments: &[&str]) -> Finished {
    let ended = cohort(arguments, "");
    assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
    ended
}

impl Restored {
    fn of(folder: &Folder) -> Self {
        let elsewhere = tempfile::tempdir().expect("a folder");
        let (backup, data) = (elsewhere.path().join("backup"), elsewhere.path().join("data"));
        done(&["backup", text(&backup), "--data", text(&folder.data())]);
        done(&["restore", text(&backup), "--data", text(&data)]);
        let batch = folder.data().with_file_name("batch.json");
        let up = Up::start(&data, &["--batch-config", text(&batch)], &[]);
        Self { up, data, _elsewhere: elsewhere }
    }

    fn recover(&self, how: &str) -> Value {
        let ended = done(&["recover", how, "--data", text(&self.data), "--json"]);
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    /// Returns how many ended so, once all runs are closed.
    async fn count_once_closed(&self, runs: usize, counted: &str) -> u64 {
        let rest = self.up.rest();
        loop {
            let found = rest.get("/runs").await.json();
            let found = found["runs"].as_array().expect("a list").clone();
            if found.len() == runs && found.iter().all(|run| run["state"] == "closed") {
                return found.iter().filter_map(|run| run[counted].as_u64()).sum();
            }
        }
    }
}

async fn is_held(rest: &Rest) {
    let recovery = rest.get("/recovery").await.json();
    assert_eq!(recovery["held"], true, "{recovery}");
    assert_eq!(
        recovery["gap"],
        json!([{"job_id": "posts_job", "occurrences": 2, "rerun_runs": 2, "rerun_misses": 0}])
    );
    let trigger = rest.post("/jobs/posts_job/trigger", Value::Null).await;
    assert_eq!(trigger.status, 503, "{trigger:?}");
    assert!(trigger.text.contains("cohort recover"), "{trigger:?}");
    for again in ["/runs/rerun", "/runs/retry"] {
        let refused = rest.post(again, json!({"job": "posts_job"})).await;
        assert_eq!(refused.status, 503, "{again}: {refused:?}");
    }
    assert_eq!(rest.get("/runs").await.json()["runs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fell_due_in_the_gap_is_missed_and_nobody_is_called() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(20, "individual_batch", &url).await;
    let life = endpoint.begin(Semaphore::MAX_PERMITS);
    let restored = Restored::of(&folder);
    is_held(&restored.up.rest()).await;
    assert_eq!(restored.recover("--dry-run")["held"], true);
    assert_eq!(restored.recover("--mark-missed")["recovery"]["state"], "mark_missed");
    assert_eq!(restored.count_once_closed(2, "missed").await, 20);
    assert!(life.times_called().is_empty(), "nobody is called");
    let again = cohort(&["recover", "--rerun", "--data", text(&restored.data)], "");
    assert_eq!(again.code, 1, "{}", again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gap_is_planned_as_after_a_downtime_if_the_operator_says_so() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(20, "individual_batch", &url).await;
    let life = endpoint.begin(Semaphore::MAX_PERMITS);
    let restored = Restored::of(&folder);
    is_held(&restored.up.rest()).await;
    assert_eq!(restored.recover("--rerun")["recovery"]["decided_by"], "admin");
    assert_eq!(restored.count_once_closed(2, "succeeded").await, 20);
    assert_eq!(life.times_called().len(), 20);
}

#[test]
fn a_backup_is_private_whole_and_never_in_the_way_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let (up, key) = {
        let up = Up::start(&data, &[], &[]);
        let key = up.key();
        (up, key)
    };
    let told = done(&["backup", text(&backup), "--data", text(&data), "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert!(told["rows"].as_u64() > Some(0) && told["bytes"].as_u64() > Some(0), "{told}");
    let again = cohort(&["backup", text(&backup), "--data", text(&data)], "");
    assert_eq!(again.code, 2, "{}", again.stderr);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("lists")
        .map(|entry| entry.expect("there").file_name())
        .collect();
    assert_eq!(names.len(), 2, "nothing half done is left: {names:?}");
    let kept = std::fs::read_to_string(backup.join("admin.key")).expect("reads");
    assert_eq!(kept.trim(), key);
    #[cfg(unix)]
    for name in [".", "config.db", "ledger.db", "admin.key"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(backup.join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    let held = cohort(&["copy", "--from", text(&data), "--to", text(&folder.path().join("c"))], "");
    assert_eq!(held.code, 1, "it is served: {}", held.stderr);
    drop(up);
    let damaged = cohort(&["restore", text(&data), "--data", text(&backup)], "");
    assert_eq!(damaged.code, 2, "the target is not empty: {}", damaged.stderr);
}
