//! `cohort demo` as a shell runs it, and what can be done with its folder afterwards.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::program::{Finished, cohort};
use crate::serving::{PATIENCE, Up};

fn demo(folder: &Path, arguments: &[&str]) -> Finished {
    let folder = folder.to_str().expect("text");
    cohort(&[&["demo", "--json", "--dir", folder], arguments].concat(), "")
}

/// The report of a demo that went well.
fn report(folder: &Path, arguments: &[&str]) -> Value {
    let ended = demo(folder, arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    serde_json::from_str(ended.stdout.lines().last().expect("a last line")).expect("JSON")
}

#[track_caller]
fn assert_all_succeeded(report: &Value, expected: u64) {
    assert_eq!(report["expected"], expected, "{report}");
    assert_eq!(report["unaccounted"], 0, "{report}");
    assert_eq!(
        report["outcomes"],
        json!({"succeeded": expected, "failed": 0, "skipped": 0, "missed": 0}),
        "{report}"
    );
}

/// Every text that the demo wrote.
fn briefs(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path())
    };
    let folders: Vec<PathBuf> = entries(&folder.join("briefs")).collect();
    folders.iter().flat_map(|folder| entries(folder)).collect()
}

#[test]
fn a_whole_december_gives_each_user_what_they_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = report(folder.path(), &["--from", "2026-12-01", "--static"]);
    assert_all_succeeded(&report, 63_300);
    assert_eq!((&report["users"], &report["moved_user"]), (&json!(3_000), &json!(null)));
    assert_eq!((&report["from"], &report["to"]), (&json!("2026-12-01"), &json!("2026-12-31")));
    let members: u64 = report["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| group["members"].as_u64().expect("a count"))
        .sum();
    assert_eq!(members, 3_000);
    assert_eq!(briefs(folder.path()).len(), 63_300);
}

#[test]
fn a_leap_february_ends_on_the_29th() {
    let folder = tempfile::tempdir().expect("a folder");
    // Sunday, Monday, the 29th, and the 1st.
    let report = report(folder.path(), &["--from", "2028-02-27", "--days", "4", "--static"]);
    assert_all_succeeded(&report, 4 * 2_000 + 100 + 900);
}

#[test]
fn a_night_with_a_clock_change_neither_loses_nor_doubles_anybody() {
    let folder = tempfile::tempdir().expect("a folder");
    // Forward in Berlin on Sunday the 29th.
    let spring = report(folder.path(), &["--from", "2026-03-29", "--days", "2", "--static"]);
    assert_all_succeeded(&spring, 2 * 2_000 + 100);
    // Back in New York and Los Angeles on Sunday, the 1st.
    let autumn = report(folder.path(), &["--from", "2026-11-01", "--days", "2", "--static"]);
    assert_all_succeeded(&autumn, 2 * 2_000 + 900 + 100);
    assert_eq!(briefs(folder.path()).len(), 5_000, "the first demo's texts are gone");
}

#[test]
fn the_user_who_moves_is_daily_up_to_the_move_and_weekly_from_the_next_monday() {
    let folder = tempfile::tempdir().expect("a folder");
    // Friday to Tuesday; the move is on Sunday at noon, so that one weekly takes the place of two
    // daily ones.
    let report = report(folder.path(), &["--from", "2026-12-04", "--days", "5"]);
    assert_all_succeeded(&report, 5 * 2_000 + 100 - 2 + 1);
    let moved = &report["moved_user"];
    assert_eq!(
        (&moved["last_daily"], &moved["first_weekly"]),
        (&json!("2026-12-06T09:00"), &json!("2026-12-07T10:00"))
    );
    let tenant = moved["tenant_id"].as_str().expect("a name");
    let data = folder.path().to_str().expect("text");
    let listed = cohort(&["outcomes", "--data", data, "--tenant", tenant, "--json"], "");
    let outcomes: Vec<Value> =
        listed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let nominal: BTreeSet<&str> =
        outcomes.iter().map(|outcome| outcome["nominal"].as_str().expect("text")).collect();
    let daily = ["2026-12-04T09:00", "2026-12-05T09:00", "2026-12-06T09:00"];
    assert_eq!(nominal, daily.into_iter().chain(["2026-12-07T10:00"]).collect());
    assert_eq!(outcomes.len(), 4);
}

#[test]
fn one_day_is_enough_and_each_text_carries_its_users_own_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = report(folder.path(), &["--from", "2026-12-01", "--days", "1"]);
    assert_all_succeeded(&report, 2_000 + 900);
    assert_eq!(report["moved_user"]["last_daily"], "2026-12-01T09:00");
    assert_eq!(report["moved_user"]["first_weekly"], json!(null), "no Monday comes after the move");
    let texts = briefs(folder.path());
    assert_eq!(texts.len(), 2_900);
    let names: BTreeSet<&str> = texts
        .iter()
        .map(|path| path.file_name().and_then(|name| name.to_str()).expect("text"))
        .collect();
    assert_eq!(names.len(), 2_900, "a text a user");
    let data = folder.path().to_str().expect("text");
    for (tenant, tone, length) in [
        ("user-0001", "professional", "short"),
        ("user-0042", "professional", "medium"),
        ("user-2991", "bold", "long"),
    ] {
        let of_tenant = texts
            .iter()
            .find(|path| path.to_string_lossy().contains(tenant))
            .expect("a text of the user");
        let text = std::fs::read_to_string(of_tenant).expect("readable");
        for part in [tenant, tone, length] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        let listed = cohort(&["outcomes", "--data", data, "--tenant", tenant], "");
        assert!(listed.stdout.contains("succeeded"), "{}", listed.stdout);
    }
}

#[test]
fn a_folder_that_no_demo_made_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("precious.txt"), "mine").expect("written");
    let ended = demo(folder.path(), &["--days", "1"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("is not empty and no demo made it"), "{}", ended.stderr);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("there")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(names, ["precious.txt"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("precious.txt")).expect("there"), "mine");
}

#[test]
fn dates_and_lengths_that_are_none_are_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("demo");
    for arguments in [
        &["--from", "2026-13-01"][..],
        &["--from", "2026-02-29"],
        &["--from", "tomorrow"],
        &["--from", "1900-01-01"],
        &["--from", "9999-12-31"],
        &["--days", "0"],
        &["--days", "367"],
    ] {
        let ended = demo(&target, arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(arguments[0]), "{arguments:?}: {}", ended.stderr);
        assert!(!target.exists(), "{arguments:?}");
    }
}

#[test]
fn a_demo_that_was_killed_can_be_run_again_in_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "demo",
        "--json",
        "--from",
        "2026-12-01",
        "--days",
        "31",
        "--dir",
        folder.path().to_str().expect("text"),
    ];
    let mut child = Command::new(env!("CARGO_BIN_EXE_cohort"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let began = Instant::now();
    while !folder.path().join("ledger.db").exists() && began.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    child.kill().expect("it runs");
    assert!(!child.wait().expect("ended").success());
    assert_all_succeeded(
        &report(folder.path(), &["--from", "2026-12-07", "--days", "1", "--static"]),
        2_100,
    );
    assert_eq!(briefs(folder.path()).len(), 2_100);
}

const LOOKS: [&[&str]; 6] = [
    &["runs", "--json"],
    &["runs", "--limit", "3"],
    &["outcomes", "--json"],
    &["outcomes", "--tenant", "user-0001"],
    &["groups", "--feature", "instagram_posts", "--json"],
    &["groups", "--feature", "instagram_posts"],
];

fn look(data: &str) -> Vec<String> {
    let said = |arguments: &&[&str]| {
        let ended = cohort(&[arguments, &["--data", data][..]].concat(), "");
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    };
    LOOKS.iter().map(said).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_a_demo_can_be_looked_at_and_not_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("text");
    assert_all_succeeded(
        &report(folder.path(), &["--from", "2026-12-07", "--days", "1", "--static"]),
        2_100,
    );
    let from_files = look(data);
    assert_eq!(from_files[2].lines().count(), 2_100);

    let mut up = Up::start(folder.path(), &[], &[]);
    let second_line = up.next_line().expect("a second line");
    assert!(
        second_line.starts_with(
            "Simulated: this folder was made by a simulation that ended at 2026-12-08T13:00:00Z"
        ),
        "{second_line}"
    );
    let rest = up.rest();
    let groups = rest.get("/features/instagram_posts/frequency-groups").await;
    assert_eq!((groups.status, groups.json()["groups"].as_array().map(Vec::len)), (200, Some(30)));
    let runs = rest.get("/runs?limit=1000").await.json();
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(20));
    assert_eq!(rest.outcomes().await.len(), 2_100);

    let path = "/tenants/user-0001/preferences/instagram_posts";
    let before = rest.get(path).await;
    let refused = rest.put(path, r#"{"frequency": "weekly"}"#).await;
    assert_eq!((refused.status, refused.kind.as_str()), (409, "application/problem+json"));
    assert!(refused.text.contains("simulation"), "{}", refused.text);
    assert_eq!(rest.get(path).await.text, before.text);
    let refused = cohort(&["import", "-", "--data", data], crate::folder::LINES);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert!(refused.stderr.contains("simulation"), "{}", refused.stderr);

    let busy = demo(folder.path(), &["--days", "1"]);
    assert_eq!(busy.code, 1, "{}", busy.stdout);
    assert!(busy.stderr.contains("is in use by"), "{}", busy.stderr);
    assert_eq!(look(data), from_files, "the same with and without a service");
    let (ended, _) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let refused = cohort(&["import", "-", "--data", data], crate::folder::LINES);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert_eq!(look(data), from_files);
}
