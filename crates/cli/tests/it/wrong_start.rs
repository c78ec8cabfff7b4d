//! A `cohort up` that cannot start: it says why, and ends.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::program::{Finished, cohort, cohort_with};
use crate::serving::Up;

/// A batch config of one job for a template, a field a line.
pub(crate) const BATCH_CONFIG: &str = r#"{
  "batch_processing_jobs": [{
    "job_id": "posts_job",
    "type": "individual_batch",
    "purpose_id": "brief",
    "preference_based": true,
    "feature_type": "posts",
    "chunk_size": 25
  }],
  "purposes": {
    "brief": {"handler": "template", "template_file": "brief.md.j2", "output_dir": "briefs"}
  }
}
"#;

/// A batch config with its template, in a folder.
pub(crate) struct Config {
    folder: TempDir,
    pub(crate) file: PathBuf,
}

impl Config {
    pub(crate) fn new(text: &str, template: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("batch.json");
        std::fs::write(&file, text).expect("written");
        std::fs::write(folder.path().join("brief.md.j2"), template).expect("written");
        Self { folder, file }
    }

    fn replaced(from: &str, to: &str) -> Self {
        let text = BATCH_CONFIG.replacen(from, to, 1);
        assert_ne!(text, BATCH_CONFIG, "{from} is in the config");
        Self::new(&text, "hello")
    }

    fn up(&self) -> Finished {
        let data = self.folder.path().join("data");
        let data = data.to_str().expect("text");
        cohort(
            &[
                "up",
                "--data",
                data,
                "--listen",
                "127.0.0.1:0",
                "--batch-config",
                self.file.to_str().expect("text"),
            ],
            "",
        )
    }
}

#[track_caller]
fn assert_refused(config: &Config, parts: &[&str]) {
    let ended = config.up();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
    }
}

#[test]
fn a_wrong_batch_config_ends_up_with_2_and_names_file_and_line() {
    for (from, to, parts) in [
        (
            "\"chunk_size\": 25",
            "\"chunk_sise\": 25",
            &["batch.json: line 8, column ", "did you mean `chunk_size`?"][..],
        ),
        ("\"individual_batch\"", "\"one_by_one\"", &["batch.json: line 4, column ", "one_by_one"]),
        (
            "\"feature_type\": \"posts\",",
            "\"feature_type\": \"posts\"",
            &["batch.json: line 8, column "],
        ),
        ("\"chunk_size\": 25", "\"chunk_size\": \"25\"", &["batch.json: line 8, column "]),
        (
            "\"posts\",",
            "\"posts\", \"catchup_window\": \"soon\",",
            &["batch.json: line 7, column ", "such as 25s, 12h or 400d, got"],
        ),
        (
            "\"template_file\"",
            "\"template_fil\"",
            &["batch.json: line ", "did you mean `template_file`?"],
        ),
        ("\"template\"", "\"carrier-pigeon\"", &["batch.json: line ", "carrier-pigeon"]),
    ] {
        assert_refused(&Config::replaced(from, to), parts);
    }
    assert_refused(&Config::new("{", "hello"), &["batch.json: line 1, column "]);
    assert_refused(&Config::new("", "hello"), &["batch.json: line 1, column "]);
}

#[test]
fn a_job_that_cannot_run_ends_up_with_2_and_names_file_and_job() {
    for (from, to, parts) in [
        (
            "\"chunk_size\": 25",
            "\"chunk_size\": 26",
            &["batch.json: ", "job posts_job: chunk_size: expected 1 to 25"][..],
        ),
        (
            "\"chunk_size\": 25",
            "\"chunk_size\": 0",
            &["batch.json: ", "job posts_job: chunk_size: expected 1 to 25"],
        ),
        (
            "\"preference_based\": true",
            "\"preference_based\": false",
            &["batch.json: ", "job posts_job: schedule: expected a schedule"],
        ),
        ("\"purpose_id\": \"brief\"", "\"purpose_id\": \"letter\"", &["posts_job", "letter"]),
        (
            "\"output_dir\": \"briefs\"",
            "\"output_dir\": \"batch.json\"",
            &["batch.json: purpose brief"],
        ),
        ("\"brief.md.j2\"", "\"letter.md.j2\"", &["batch.json: purpose brief", "letter.md.j2"]),
    ] {
        assert_refused(&Config::replaced(from, to), parts);
    }
    assert_refused(
        &Config::new(BATCH_CONFIG, "one\n{{ tenant_id"),
        &["batch.json: purpose brief", "brief.md.j2 has a fault", "brief.md.j2:2"],
    );
}

#[test]
fn a_batch_config_that_is_not_there_ends_up_with_2_and_makes_no_folder() {
    let config = Config::new(BATCH_CONFIG, "hello");
    std::fs::remove_file(&config.file).expect("there");
    assert_refused(&config, &["batch.json: ", "No such file"]);
    assert!(!config.folder.path().join("data").exists());
}

#[test]
fn a_secret_that_is_not_set_is_named() {
    let config = Config::replaced(
        r#""handler": "template", "template_file": "brief.md.j2", "output_dir": "briefs""#,
        r#""handler": "http", "url": "http://127.0.0.1:1/x", "secret_env": "NO_SUCH_SECRET""#,
    );
    assert_refused(&config, &["batch.json: purpose brief", "NO_SUCH_SECRET is not set"]);
}

#[test]
fn two_files_with_one_job_are_refused_with_the_second_files_name() {
    let config = Config::new(BATCH_CONFIG, "hello");
    let second = config.folder.path().join("second.json");
    std::fs::write(&second, BATCH_CONFIG.replace("\"brief\": {", "\"letter\": {"))
        .expect("written");
    let data = config.folder.path().join("data");
    let files = [
        data.to_str().expect("text"),
        config.file.to_str().expect("text"),
        second.to_str().expect("text"),
    ];
    let ended = cohort(
        &["up", "--data", files[0], "--batch-config", files[1], "--batch-config", files[2]],
        "",
    );
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("second.json: job posts_job: another file has the same name"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_wrong_variable_is_named_and_ends_up_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("text");
    for (name, value) in [
        ("BATCH_MAX_CONCURRENT_ITEMS", "0"),
        ("BATCH_RETRY_LIMIT", "few"),
        ("COHORT_SHUTDOWN_GRACE", "soon"),
        ("CONFIG_POLL_INTERVAL", "soon"),
        ("COHORT_LOG", "=!="),
    ] {
        let environment = [(name.to_owned(), value.to_owned())];
        let ended =
            cohort_with(&["up", "--data", data, "--listen", "127.0.0.1:0"], &environment, "");
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
    }
}

#[test]
fn a_second_service_on_the_folder_ends_with_1_and_names_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let second = cohort(
        &["up", "--data", folder.path().to_str().expect("text"), "--listen", "127.0.0.1:0"],
        "",
    );
    assert_eq!(second.code, 1);
    let holder = format!("is in use by process {} at {}", up.pid(), up.address());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    assert_eq!(second.stdout, "");
    assert_eq!(up.terminate().0.code, 0);
    let third = Up::start(folder.path(), &[], &[]);
    assert_eq!(third.terminate().0.code, 0, "the folder is free again");
}

#[test]
fn an_address_in_use_ends_with_1_and_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(&folder.path().join("first"), &[], &[]);
    let data = folder.path().join("second");
    let second =
        cohort(&["up", "--data", data.to_str().expect("text"), "--listen", up.address()], "");
    assert_eq!(second.code, 1);
    assert!(
        second.stderr.contains(up.address()) && second.stderr.contains("--listen"),
        "{}",
        second.stderr
    );
}
