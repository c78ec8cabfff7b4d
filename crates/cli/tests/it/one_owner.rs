//! One process writes a database's file, by whatever name another reaches it; and what it leaves
//! behind when it ends is one file.
//!
//! Planted, and red: only the folder is locked; the log is left when the process ends.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::program::{Finished, cohort};
use crate::serving::{Up, http};

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn up_on(folder: &Path) -> Finished {
    cohort(&["up", "--data", text(folder), "--listen", "127.0.0.1:0"], "")
}

type Link = fn(&Path, &Path) -> std::io::Result<()>;

const HARD: Link = |from, to| fs::hard_link(from, to);
const SYMBOLIC: Link = |from, to| std::os::unix::fs::symlink(from, to);

/// A folder of its own whose file `name` is another name of the one in `first`.
fn linked(first: &Path, name: &str, link: Link) -> TempDir {
    let folder = tempfile::tempdir_in(first.parent().expect("a folder")).expect("a folder");
    link(&first.join(name), &folder.path().join(name)).expect("linked");
    folder
}

#[test]
fn a_second_process_is_refused_by_whatever_name_it_reaches_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = folder.path().join("first");
    let up = Up::start(&first, &[], &[]);
    let holder = format!("is in use by process {}", up.pid());
    let refused = |ended: &Finished| {
        assert_eq!((ended.code, &*ended.stdout), (1, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(&holder), "{}", ended.stderr);
    };
    let whole = folder.path().join("whole");
    std::os::unix::fs::symlink(&first, &whole).expect("linked");
    refused(&up_on(&whole));
    for name in ["config.db", "ledger.db"] {
        refused(&up_on(linked(&first, name, HARD).path()));
        refused(&up_on(linked(&first, name, SYMBOLIC).path()));
    }

    let other = linked(&first, "config.db", SYMBOLIC);
    let address = format!("sqlite://{}", text(&other.path().join("config.db")));
    refused(&cohort(&["config-service", "--database-url", &address], ""));
    assert_eq!(up.terminate().0.code, 0);
    let again = Up::start(other.path(), &[], &[]);
    assert_eq!(again.terminate().0.code, 0, "the file is free again");
}

#[test]
fn a_process_that_was_killed_leaves_its_files_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = folder.path().join("first");
    Up::start(&first, &[], &[]).kill();
    let other = linked(&first, "ledger.db", SYMBOLIC);
    let up = Up::start(other.path(), &[], &[]);
    assert_eq!(up.terminate().0.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_exit_leaves_everything_in_the_databases_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, copy) = (folder.path().join("first"), folder.path().join("copy"));
    let up = Up::start(&first, &[], &[]);
    let daily = json!({"frequency": "daily", "preferred_time": "09:00"});
    let put = up.rest().put("/tenants/ann/preferences/posts", daily.to_string()).await;
    assert_eq!(put.status, 201, "{}", put.text);
    // A client that stays connected and a stream that is open do not keep the log.
    let stream = http()
        .get(format!("{}/preferences/changes/stream", up.base()))
        .bearer_auth(up.key())
        .send()
        .await
        .expect("it answers");
    let ended = tokio::task::spawn_blocking(|| up.terminate().0).await.expect("no panic");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    drop(stream);

    fs::create_dir(&copy).expect("made");
    for name in ["config.db", "ledger.db"] {
        let log = fs::metadata(first.join(format!("{name}-wal"))).map_or(0, |log| log.len());
        assert_eq!(log, 0, "{name}");
        fs::copy(first.join(name), copy.join(name)).expect("copied");
    }
    fs::copy(first.join("admin.key"), copy.join("admin.key")).expect("copied");
    let shown = cohort(&["tenants", "show", "ann", "--data", text(&copy)], "");
    assert!(shown.stdout.contains("09:00"), "{}{}", shown.stdout, shown.stderr);
}

#[test]
fn an_import_and_a_command_that_only_reads_leave_no_log_either() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = text(folder.path());
    let line = r#"{"tenant_id":"ann","feature_type":"posts","preference":{"frequency":"daily"}}"#;
    assert_eq!(cohort(&["import", "-", "--data", data], line).code, 0);
    for _ in 0..2 {
        let log = fs::metadata(folder.path().join("config.db-wal")).map_or(0, |log| log.len());
        assert_eq!(log, 0);
        let read = cohort(&["tenants", "show", "ann", "--data", data], "");
        assert!(read.stdout.contains("posts"), "{}", read.stderr);
    }
}
