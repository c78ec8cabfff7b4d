//! What is exported imports again, and says the same.

use crate::program::Finished;
use crate::test_folder::TestFolder;

/// Everything that a preference can say and CSV can hold, in forms that are easily mistaken for
/// another.
const PLAIN: &str = include_str!("data/plain.jsonl");

/// What CSV cannot hold.
const RICH: &str = include_str!("data/rich.jsonl");

/// Returns a folder with these lines, all of which must be stored.
fn folder_with(lines: &str) -> TestFolder {
    let folder = TestFolder::new();
    let imported = folder.run_with(&["import", "-"], lines);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    folder
}

#[track_caller]
fn is_unchanged(imported: &Finished, lines: u64) {
    assert_eq!(
        imported.stdout,
        format!("{lines} lines: 0 stored, {lines} unchanged, 0 refused\n"),
        "{}",
        imported.stderr
    );
}

#[test]
fn json_lines_are_what_was_imported_and_import_again_unchanged() {
    let folder = folder_with(&(PLAIN.to_owned() + RICH));
    let exported = folder.run(&["export"]);
    assert_eq!(
        (exported.code, exported.stdout.as_str()),
        (0, (PLAIN.to_owned() + RICH).as_str()),
        "{}",
        exported.stderr
    );
    assert!(exported.stderr.starts_with("not in an export: "), "{}", exported.stderr);
    assert!(exported.stderr.ends_with("8 users, 9 preferences\n"), "{}", exported.stderr);
    is_unchanged(&folder.run_with(&["import", "-"], &exported.stdout), 8);
    let posts =
        folder.run(&["export", &folder.path("posts.jsonl"), "--feature", "posts", "--json"]);
    assert_eq!(
        posts.stdout, "{\"tenants\":8,\"preferences\":8,\"left_out\":0}\n",
        "{}",
        posts.stderr
    );
    is_unchanged(&folder.run(&["import", &folder.path("posts.jsonl")]), 8);
}

#[test]
fn csv_imports_again_unchanged() {
    let folder = folder_with(PLAIN);
    let file = folder.path("all.csv");
    let exported = folder.run(&["export", &file]);
    assert_eq!(
        (exported.code, exported.stdout.as_str()),
        (0, "5 users, 6 preferences\n"),
        "{}",
        exported.stderr
    );
    is_unchanged(&folder.run(&["import", &file]), 6);
    assert!(!std::path::Path::new(&format!("{file}.part")).exists());
}

#[test]
fn what_csv_cannot_hold_is_left_out_aloud() {
    let folder = folder_with(&(PLAIN.to_owned() + RICH));
    let exported = folder.run(&["export", "--format", "csv", "--feature", "posts"]);
    assert_eq!(exported.code, 1);
    assert_eq!(exported.stdout.lines().next().map(|header| header.split(',').count()), Some(8));
    for told in [
        "\"kim\", posts: there is no column for cron\n",
        "for snoozed_until, skip_next",
        "3 preferences were left out",
    ] {
        assert!(exported.stderr.contains(told), "{}", exported.stderr);
    }
    is_unchanged(&folder.run_with(&["import", "-", "--format", "csv"], &exported.stdout), 5);
}
