//! `cohort keys`, `features`, `tenants` and `doctor`, on a folder that nobody serves.

use serde_json::{Value, json};

use crate::folder::LINES;
use crate::program::{cohort, cohort_with};
use crate::test_folder::TestFolder;

#[test]
fn a_key_is_shown_once_listed_and_revoked() {
    let folder = TestFolder::with_lines(LINES);
    let made = folder.run(&[
        "keys",
        "create",
        "ci",
        "--scope",
        "read",
        "--scope",
        "write",
        "--expires-in",
        "90d",
    ]);
    assert_eq!((made.code, made.stdout.lines().count()), (0, 1), "{}", made.stderr);
    let keys = folder.json(&["keys", "list"]);
    let ci = keys.iter().find(|key| key["name"] == "ci").expect("it is listed");
    assert_eq!(ci["scopes"], json!(["read", "write"]));
    let table = folder.run(&["keys", "list"]).stdout;
    assert!(!table.contains(made.stdout.trim()), "{table}");
    let id = ci["id"].to_string();
    assert!(folder.json(&["keys", "revoke", &id])[0]["revoked_at"].is_string());
    assert!(folder.run(&["keys", "list"]).stdout.contains("revoked 20"));
    assert_eq!(folder.run(&["keys", "create", "x", "--scope", "all"]).code, 2);
    assert_eq!(
        folder.run(&["keys", "create", "x", "--scope", "read", "--expires-in", "soon"]).code,
        2
    );
    assert_eq!(folder.run(&["keys", "revoke", "999"]).code, 1);
}

#[test]
fn a_dry_run_names_who_would_break_and_stores_nothing() {
    let folder = TestFolder::with_lines(LINES);
    assert!(folder.run(&["features", "list"]).stdout.starts_with("no feature is registered"));
    let strict = r#"{"description": "Posts", "policy": {"frequencies": ["daily"]}}"#;
    let tried = folder.run_with(&["features", "put", "posts", "-", "--dry-run"], strict);
    assert_eq!(tried.code, 1);
    assert!(tried.stdout.contains("u3") && !tried.stdout.contains("u1"), "{}", tried.stdout);
    assert!(tried.stderr.contains("1 of 3 stored preferences"), "{}", tried.stderr);
    assert!(folder.json(&["features", "list"]).is_empty());

    let put = folder.run_with(&["features", "put", "posts", "-"], strict);
    assert_eq!(
        (put.code, put.stdout.as_str()),
        (0, "posts is registered, version 1\n"),
        "{}",
        put.stderr
    );
    assert_eq!(folder.run(&["features", "check", "posts"]).code, 1);
    let shown: Value =
        serde_json::from_str(&folder.run(&["features", "show", "posts"]).stdout).expect("JSON");
    assert_eq!(shown["policy"]["frequencies"], json!(["daily"]));
    assert_eq!(folder.json(&["features", "list"])[0]["version"], 1);
    assert_eq!(folder.run_with(&["features", "put", "posts", "-"], "{\"colour\": 1}").code, 2);
    let refused = folder.run_with(
        &["import", "-"],
        r#"{"tenant_id":"u9","feature_type":"posts","preference":{"frequency":"weekly"}}"#,
    );
    assert!(refused.stderr.contains("line 1: /preference/frequency"), "{}", refused.stderr);
}

#[test]
fn a_user_is_looked_at_given_a_link_and_erased() {
    let folder = TestFolder::with_lines(LINES);
    let all = folder.json(&["tenants", "list"]);
    assert_eq!(
        all.iter().map(|tenant| tenant["tenant_id"].as_str().expect("text")).collect::<Vec<_>>(),
        ["u1", "u2", "u3"]
    );
    assert_eq!(folder.json(&["tenants", "list", "--limit", "2"]).len(), 2);
    assert!(
        folder
            .run(&["tenants", "list", "--limit", "2"])
            .stdout
            .ends_with("the first 2; --limit shows more\n")
    );
    let shown = folder.json(&["tenants", "show", "u1"]).remove(0);
    assert_eq!(shown["preferences"]["posts"]["preferred_time"], "09:00");
    assert!(
        folder.run(&["tenants", "show", "u1"]).stdout.contains("posts: {\"frequency\":\"daily\"")
    );
    let history = folder.json(&["tenants", "history", "u1", "--feature", "posts"]);
    assert_eq!((&history[0]["version"], &history[0]["before"]), (&json!(1), &Value::Null));
    assert_eq!(
        folder.run(&["tenants", "link", "u1", "--expires-in", "1h"]).stdout.lines().count(),
        1
    );

    assert_eq!(folder.run(&["tenants", "erase", "u1"]).code, 2);
    let receipt = folder.json(&["tenants", "erase", "u1", "--yes"]).remove(0);
    assert_eq!((&receipt["preferences"], &receipt["history_entries"]), (&json!(1), &json!(2)));
    assert_eq!(folder.run(&["tenants", "show", "u1"]).code, 1);
}

#[test]
fn the_doctor_says_where_settings_come_from_and_shows_no_secret() {
    let folder = TestFolder::with_lines(LINES);
    let data = folder.path("data");
    let environment = [
        ("CONFIG_SERVICE_API_KEY", "hunter2"),
        ("DATABASE_URL", "postgres://cohort:hunter2@db:5432/app"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let seen = cohort_with(&["doctor", "--data", &data], &environment, "");
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert!(!seen.stdout.contains("hunter2"), "{}", seen.stdout);
    let has = |words: &[&str]| {
        seen.stdout.lines().any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(has(&["CONFIG_SERVICE_API_KEY", "(set)", "environment"]), "{}", seen.stdout);
    assert!(has(&["DATABASE_URL", "postgres://db:5432/app", "environment"]), "{}", seen.stdout);
    assert!(has(&["COHORT_LISTEN", "127.0.0.1:8000", "default"]), "{}", seen.stdout);
    assert!(has(&["groups", "ok", "2 groups are what 3 preferences say"]), "{}", seen.stdout);
    let alone = cohort(&["doctor", "--json"], "");
    assert_eq!(alone.code, 1);
    let alone: Value = serde_json::from_str(&alone.stdout).expect("JSON");
    assert_eq!(alone["checks"][0]["passed"], false);
}

#[test]
fn the_doctor_finds_groups_that_drifted_and_sets_them_right() {
    let folder = TestFolder::with_lines(LINES);
    let database = rusqlite::Connection::open(folder.data().join("config.db")).expect("opens");
    database
        .execute("UPDATE stated_group SET count = count + 5 WHERE frequency = 'daily'", [])
        .expect("written");
    drop(database);
    let found = folder.run(&["doctor"]);
    assert_eq!(found.code, 1);
    assert!(
        found.stdout.contains("1 of 2 groups were miscounted; --repair sets them right"),
        "{}",
        found.stdout
    );
    let repaired = folder.run(&["doctor", "--repair"]);
    assert_eq!(repaired.code, 0, "{}", repaired.stdout);
    assert!(repaired.stdout.contains("they are set right"), "{}", repaired.stdout);
    assert_eq!(folder.run(&["doctor"]).code, 0);
}
