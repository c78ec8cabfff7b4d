//! Wrong input to a real `cohort up`: refused with its place, and nothing is changed by it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::program::{Ended, cohort};
use crate::serving::{Up, http};

/// Far less than the 30 seconds that a long poll may wait, and far more than an idle service needs
/// to end.
const PROMPTLY: Duration = Duration::from_secs(15);

const DOCUMENT: &str = "/tenants/ann/configs/feature_preferences";

fn document(preference: &Value) -> String {
    json!({"tenant_id": "ann", "config_key": "feature_preferences",
        "config_value": {"posts": preference}})
    .to_string()
}

/// What is wrong, and the pointer to it below the preference.
fn wrong_preferences() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"frequency": "daily", "timezone": "Europe/Atlantis"}), "/timezone"),
        (json!({"frequency": "daily", "preferred_time": "25:00"}), "/preferred_time"),
        (json!({"frequency": "daily", "preferred_time": "9 o'clock"}), "/preferred_time"),
        (json!({"frequency": "monthly", "preferred_day": 32}), "/preferred_day"),
        (json!({"frequency": "monthly", "preferred_day": 0}), "/preferred_day"),
        (json!({"frequency": "weekly", "preferred_day": "moonday"}), "/preferred_day"),
        (json!({"frequency": "sometimes"}), "/frequency"),
        (json!({"frequency": "cron", "cron": "* * *"}), "/cron"),
        (json!({"frequency": "daily", "preferred_tme": "09:00"}), "/preferred_tme"),
        (json!({"frequency": "daily", "enabled": null}), "/enabled"),
        (json!({"frequency": "daily", "template_overrides": []}), "/template_overrides"),
    ]
}

fn pointers(problem: &Value) -> Vec<&str> {
    problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["pointer"].as_str().expect("a pointer"))
        .collect()
}

#[tokio::test]
async fn a_wrong_preference_is_refused_with_its_pointer_and_nothing_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let rest = up.rest();
    for (preference, place) in wrong_preferences() {
        for (path, body, base) in [
            (DOCUMENT, document(&preference), "/config_value/posts"),
            ("/tenants/ann/preferences/posts", preference.to_string(), ""),
        ] {
            let answer = rest.put(path, body).await;
            assert_eq!(
                (answer.status, answer.kind.as_str()),
                (422, "application/problem+json"),
                "{preference}: {answer:?}"
            );
            assert_eq!(pointers(&answer.json()), [format!("{base}{place}")], "{preference}");
            assert_eq!(rest.get(path).await.status, 404, "{preference} was stored");
        }
    }
    for feature in ["posts", "others"] {
        let groups = rest.get(&format!("/features/{feature}/frequency-groups")).await.json();
        assert_eq!(groups["groups"], json!([]));
    }
    up.terminate();
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_its_line_and_what_was_stored_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let rest = up.rest();
    let good =
        document(&json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC"}));
    assert_eq!(rest.put(DOCUMENT, good).await.status, 201);
    let stored = rest.get(DOCUMENT).await;
    for broken in [
        "",
        "{",
        "{\n\"config_value\": {,}\n}",
        "nothing",
        "\u{feff}{}",
        "[[[[",
        "{\"tenant_id\":\"ann\"} more",
    ] {
        let answer = rest.put(DOCUMENT, broken).await;
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (400, "application/problem+json"),
            "{broken:?}: {answer:?}"
        );
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains("line ") && detail.contains("column "), "{broken:?}: {detail}");
    }
    for (wrong, place) in wrong_preferences() {
        let answer = rest.put(DOCUMENT, document(&wrong)).await;
        assert_eq!(pointers(&answer.json()), [format!("/config_value/posts{place}")]);
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(rest.put(DOCUMENT, deep).await.status, 400, "nesting is bounded");
    let large = document(&json!({"template_overrides": {"text": "x".repeat(2 << 20)}}));
    let refused = http()
        .put(format!("{}{DOCUMENT}", up.base()))
        .bearer_auth(up.key())
        .body(large)
        .send()
        .await;
    // The service does not read on and closes, which the client may see before the answer.
    assert!(
        refused.map_or_else(|error| error.is_request(), |answer| answer.status() == 413),
        "size is bounded"
    );
    let after = rest.get(DOCUMENT).await;
    assert_eq!((after.status, after.text), (200, stored.text));
    up.terminate();
}

#[tokio::test]
async fn a_route_or_parameter_that_does_not_exist_is_a_problem_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let rest = up.rest();
    for (path, status) in [
        ("/nothing", 404),
        ("/runs/1", 404),
        ("/runs/one", 422),
        ("/runs?limit=many", 422),
        ("/outcomes?status=great", 422),
        ("/outcomes?cursor=nonsense", 422),
        ("/preferences/changes?wait=31", 400),
        ("/tenants/ann/configs/nothing", 404),
    ] {
        let answer = rest.get(path).await;
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (status, "application/problem+json"),
            "{path}: {answer:?}"
        );
        assert!(
            answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{path}: {answer:?}"
        );
    }
    up.terminate();
}

/// A batch config of one job for a template, a field a line.
const BATCH_CONFIG: &str = r#"{
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

struct Config {
    folder: TempDir,
    file: PathBuf,
}

impl Config {
    fn new(text: &str, template: &str) -> Self {
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

    fn up(&self) -> Ended {
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
            &["batch.json: line 7, column ", "such as \"12h\""],
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
        &["batch.json: purpose brief", "brief.md.j2 has a fault", "brief:2"],
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
    let purpose = r#""brief": {"handler": "http", "url": "http://127.0.0.1:1/x", "secret_env": "NO_SUCH_SECRET"}"#;
    let config = Config::replaced(
        r#""brief": {"handler": "template", "template_file": "brief.md.j2", "output_dir": "briefs"}"#,
        purpose,
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
        let ended = crate::program::cohort_with(
            &["up", "--data", data, "--listen", "127.0.0.1:0"],
            &environment,
            "",
        );
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn an_import_into_a_running_service_stores_the_good_lines_and_ends_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let data = folder.path().to_str().expect("text").to_owned();
    let lines = format!("{}not json\n\n", crate::folder::LINES);
    let ended = cohort(&["import", "-", "--data", &data, "--json"], &lines);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let summary: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&summary["stored"], &summary["refused"]), (&json!(3), &json!(2)), "{summary}");
    for place in
        ["line 4: /preference/preferred_time: ", "line 4: /preference/timezone: ", "line 5: "]
    {
        assert!(ended.stderr.contains(place), "{}", ended.stderr);
    }
    let rest = up.rest();
    for (tenant, status) in [("u1", 200), ("u2", 200), ("u3", 200), ("u4", 404)] {
        assert_eq!(
            rest.get(&format!("/tenants/{tenant}/preferences/posts")).await.status,
            status,
            "{tenant}"
        );
    }
    up.terminate();
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

#[cfg(unix)]
fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn keys_are_readable_by_the_owner_only_and_never_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[("COHORT_LOG", "trace")]);
    #[cfg(unix)]
    assert_eq!(mode(&folder.path().join("admin.key")), 0o600);
    let (rest, key, base) = (up.rest(), up.key(), up.base());
    assert_eq!(rest.get("/runs").await.status, 200);
    for path in ["/runs", "/preferences/changes", "/features/posts/frequency-groups"] {
        let unknown = http()
            .get(format!("{base}{path}"))
            .bearer_auth("hunter2hunter2")
            .send()
            .await
            .expect("answered");
        assert_eq!(unknown.status(), 401);
        let none = http().get(format!("{base}{path}")).send().await.expect("answered");
        assert_eq!(none.status(), 401);
        assert!(!none.text().await.expect("a body").contains(&key));
    }
    let (ended, _) = up.terminate();
    assert!(ended.stderr.len() > 1_000, "it logged what it did");
    for secret in [key.as_str(), "hunter2hunter2"] {
        assert!(!ended.stdout.contains(secret), "a key on standard output");
        assert!(!ended.stderr.contains(secret), "a key on standard error");
    }
}

#[tokio::test]
async fn a_key_file_that_opens_nothing_is_replaced_by_one_that_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("admin.key");
    Up::start(folder.path(), &[], &[]).terminate();
    for useless in ["", "\n", "key-of-another-database\n", "no key at all\n"] {
        std::fs::write(&file, useless).expect("written");
        let up = Up::start(folder.path(), &[], &[]);
        assert_eq!(up.rest().get("/runs").await.status, 200, "{useless:?}");
        #[cfg(unix)]
        assert_eq!(mode(&file), 0o600);
        let key = up.key();
        up.terminate();
        let again = Up::start(folder.path(), &[], &[]);
        assert_eq!(again.key(), key, "one that opens it stays");
    }
}

#[test]
fn an_idle_service_ends_promptly_with_0() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ended, took) = Up::start(folder.path(), &[], &[]).terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took < PROMPTLY, "{took:?}");
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_poll_is_answered_when_the_service_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::new(BATCH_CONFIG, "hello");
    let up =
        Up::start(folder.path(), &["--batch-config", config.file.to_str().expect("text")], &[]);
    let rest = up.rest();
    let poll = tokio::spawn({
        let rest = rest.clone();
        async move { rest.get("/preferences/changes?since_id=now&wait=30").await }
    });
    // Connections are taken in order, so that the poll is there when these are answered.
    for _ in 0..5 {
        tokio::task::yield_now().await;
        assert_eq!(rest.get("/runs").await.status, 200);
    }
    assert!(!poll.is_finished());
    let (ended, took) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took < PROMPTLY, "{took:?}");
    let answer = poll.await.expect("no panic");
    assert_eq!((answer.status, &answer.json()["changes"]), (200, &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_half_a_request_does_not_keep_the_service_from_ending() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let head = format!(
        "PUT /api/v1{DOCUMENT} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n",
        up.key()
    );
    let half_a_body = format!("{head}content-length: 100\r\n\r\n{{");
    let mut clients = Vec::new();
    for half in [head, half_a_body] {
        let mut client = tokio::net::TcpStream::connect(up.address()).await.expect("connects");
        client.write_all(half.as_bytes()).await.expect("sent");
        clients.push(client);
    }
    let rest = up.rest();
    for _ in 0..5 {
        assert_eq!(rest.get("/runs").await.status, 200);
    }
    let (ended, took) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took < PROMPTLY, "{took:?}");
}
