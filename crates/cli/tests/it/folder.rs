//! Commands on the files of a folder that nobody serves.

use serde_json::{Value, json};

use crate::program::cohort;

/// Three users of one feature, two of whom want the same; the fourth line is wrong in two places.
pub(crate) const LINES: &str = include_str!("data/lines.jsonl");

/// The groups that `cohort groups --json` prints, without their instants.
pub(crate) fn groups(stdout: &str) -> Vec<Value> {
    let line = |line| {
        let mut group: Value = serde_json::from_str(line).expect("JSON");
        let since = group.as_object_mut().expect("an object").shift_remove("since");
        assert!(since.expect("an instant").as_str().expect("text").ends_with('Z'));
        group
    };
    stdout.lines().map(line).collect()
}

pub(crate) fn groups_of_lines() -> Vec<Value> {
    vec![
        json!({"feature_type": "posts", "frequency": "daily", "time_key": "09:00",
            "timezone": "UTC", "count": 2}),
        json!({"feature_type": "posts", "frequency": "weekly", "time_key": "-:-", "timezone": "-",
            "count": 1}),
    ]
}

#[test]
fn an_import_stores_the_good_lines_and_names_what_is_wrong_with_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("text");
    let file = folder.path().join("preferences.jsonl");
    std::fs::write(&file, LINES).expect("written");

    let first = cohort(&["import", file.to_str().expect("text"), "--data", data], "");
    assert_eq!(first.code, 2, "{}", first.stderr);
    assert_eq!(first.stdout, "4 lines: 3 stored, 0 unchanged, 1 refused\n");
    for place in ["line 4: /preference/preferred_time: ", "line 4: /preference/timezone: "] {
        assert!(first.stderr.contains(place), "{}", first.stderr);
    }

    let again = cohort(&["import", "-", "--data", data, "--json"], LINES);
    assert_eq!(again.code, 2);
    assert_eq!(again.stdout, "{\"lines\":4,\"stored\":0,\"unchanged\":3,\"refused\":1}\n");

    let listed = cohort(&["groups", "--feature", "posts", "--data", data, "--json"], "");
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert_eq!(groups(&listed.stdout), groups_of_lines());
}

#[test]
fn groups_are_a_plain_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("text");
    cohort(&["import", "-", "--data", data], LINES);
    let listed = cohort(&["groups", "--feature", "posts", "--data", data], "");
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(
        lines[0].starts_with("FREQUENCY  TIME KEY  TIMEZONE  USERS  SINCE"),
        "{}",
        listed.stdout
    );
    assert!(lines[1].starts_with("daily      09:00     UTC           2  20"), "{}", listed.stdout);
    assert!(!listed.stdout.contains('\u{1b}'), "no colours");
    let none = cohort(&["groups", "--feature", "others", "--data", data], "");
    assert_eq!(none.stdout, "nobody has stated a preference for others\n");
}

#[test]
fn a_folder_without_data_is_wrong_input_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("typo");
    let ended =
        cohort(&["groups", "--feature", "posts", "--data", data.to_str().expect("text")], "");
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("is no data folder"), "{}", ended.stderr);
    assert!(!data.exists());
}

#[test]
fn a_file_that_is_not_there_is_wrong_input_and_makes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let ended = cohort(&["import", "/no/such/file", "--data", data.to_str().expect("text")], "");
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.starts_with("error: cannot read /no/such/file: "), "{}", ended.stderr);
    assert!(!data.exists());
}

#[test]
fn without_an_address_the_command_says_how_to_give_one() {
    let ended = cohort(&["groups", "--feature", "posts"], "");
    assert_eq!(ended.code, 2);
    for way in ["--data", "--url", "CONFIG_SERVICE_URL"] {
        assert!(ended.stderr.contains(way), "{}", ended.stderr);
    }
}
