//! What is exported imports again, and says the same.

use crate::program::{Ended, cohort};

/// Everything that a preference can say and CSV can hold, in forms that are easily mistaken for
/// another.
const PLAIN: &str = r#"{"tenant_id":" ann, \"the\" first ","config_key":"feature_preferences","config_value":{"mail":{},"posts":{"enabled":false,"frequency":"weekly","preferred_day":["monday"],"preferred_time":"09:00"}}}
{"tenant_id":"bob","config_key":"feature_preferences","config_value":{"posts":{"frequency":"weekly","preferred_day":"monday","timezone":"europe/berlin","template_overrides":{"text":"two\nlines, \"quoted\"","n":1.5}}}}
{"tenant_id":"eve","config_key":"feature_preferences","config_value":{"posts":{"frequency":"monthly","preferred_day":31,"template_overrides":{}}}}
{"tenant_id":"ian","config_key":"feature_preferences","config_value":{"posts":{"frequency":"biweekly","preferred_day":["friday","monday"]}}}
{"tenant_id":"joe","config_key":"feature_preferences","config_value":{"posts":{"frequency":"monthly","preferred_day":"last"}}}
"#;

/// What CSV cannot hold.
const RICH: &str = r#"{"tenant_id":"kim","config_key":"feature_preferences","config_value":{"posts":{"frequency":"cron","cron":"0 9 * * *"}}}
{"tenant_id":"leo","config_key":"feature_preferences","config_value":{"posts":{"frequency":"biweekly","preferred_day":"monday","anchor_date":"2026-01-05"}}}
{"tenant_id":"mia","config_key":"feature_preferences","config_value":{"posts":{"snoozed_until":"2026-12-24T00:00:00Z","skip_next":"2026-12-07T10:00"}}}
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(lines: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        let imported = folder.run(&["import", "-"], lines);
        assert_eq!(imported.code, 0, "{}", imported.stderr);
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ended {
        let data = self.path("data");
        cohort(&[arguments, &["--data", &data]].concat(), input)
    }
}

#[track_caller]
fn is_unchanged(imported: &Ended, lines: u64) {
    assert_eq!(
        imported.stdout,
        format!("{lines} lines: 0 stored, {lines} unchanged, 0 refused\n"),
        "{}",
        imported.stderr
    );
}

#[test]
fn json_lines_are_what_was_imported_and_import_again_unchanged() {
    let folder = Folder::with(&(PLAIN.to_owned() + RICH));
    let exported = folder.run(&["export"], "");
    assert_eq!(
        (exported.code, exported.stdout.as_str()),
        (0, (PLAIN.to_owned() + RICH).as_str()),
        "{}",
        exported.stderr
    );
    assert_eq!(exported.stderr, "8 users, 9 preferences\n");
    is_unchanged(&folder.run(&["import", "-"], &exported.stdout), 8);
    let posts =
        folder.run(&["export", &folder.path("posts.jsonl"), "--feature", "posts", "--json"], "");
    assert_eq!(
        posts.stdout, "{\"tenants\":8,\"preferences\":8,\"left_out\":0}\n",
        "{}",
        posts.stderr
    );
    is_unchanged(&folder.run(&["import", &folder.path("posts.jsonl")], ""), 8);
}

#[test]
fn csv_imports_again_unchanged() {
    let folder = Folder::with(PLAIN);
    let file = folder.path("all.csv");
    let exported = folder.run(&["export", &file], "");
    assert_eq!(
        (exported.code, exported.stdout.as_str()),
        (0, "5 users, 6 preferences\n"),
        "{}",
        exported.stderr
    );
    is_unchanged(&folder.run(&["import", &file], ""), 6);
    assert!(!std::path::Path::new(&format!("{file}.part")).exists());
}

#[test]
fn what_csv_cannot_hold_is_left_out_aloud() {
    let folder = Folder::with(&(PLAIN.to_owned() + RICH));
    let exported = folder.run(&["export", "--format", "csv", "--feature", "posts"], "");
    assert_eq!(exported.code, 1);
    assert_eq!(exported.stdout.lines().next().map(|header| header.split(',').count()), Some(8));
    for told in [
        "\"kim\", posts: there is no column for cron\n",
        "for snoozed_until, skip_next",
        "3 preferences were left out",
    ] {
        assert!(exported.stderr.contains(told), "{}", exported.stderr);
    }
    is_unchanged(&folder.run(&["import", "-", "--format", "csv"], &exported.stdout), 5);
}
