//! Commands against a service that runs.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};
use cohort_preferences::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::folder::{LINES, groups, groups_of_lines};
use crate::handler::serve as serve_routes;
use crate::program::{Finished, cohort, cohort_with};
use crate::serving::Up;

struct AtTheEpoch;

impl Clock for AtTheEpoch {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// A service on the folder, in this process: its base address and an admin key.
async fn serve(folder: &Path) -> (String, String) {
    let options = ConfigServiceOptions::sqlite(folder.join("config.db"), Arc::new(AtTheEpoch));
    let service = ConfigService::open(options).await.expect("opened");
    let key = service.create_key("test", Scope::Admin).await.expect("made");
    (serve_routes(service.router()).await.to_string(), key)
}

async fn run(arguments: &[&str], environment: &[(&str, &str)], input: &'static str) -> Finished {
    let own = |text: &&str| (*text).to_owned();
    let arguments: Vec<String> = arguments.iter().map(own).collect();
    let environment: Vec<(String, String)> =
        environment.iter().map(|(name, value)| (own(name), own(value))).collect();
    let ended = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        cohort_with(&arguments, &environment, input)
    });
    ended.await.expect("no panic")
}

#[tokio::test]
async fn the_environment_of_the_specification_names_service_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (address, key) = serve(folder.path()).await;
    let url = format!("http://{address}/api/v1");
    let environment =
        [("CONFIG_SERVICE_URL", url.as_str()), ("CONFIG_SERVICE_API_KEY", key.as_str())];
    let imported = run(&["import", "-", "--json"], &environment, LINES).await;
    assert_eq!(
        imported.stdout, "{\"lines\":4,\"stored\":3,\"unchanged\":0,\"refused\":1}\n",
        "{}",
        imported.stderr
    );
    let listed = run(&["groups", "--feature", "posts", "--json"], &environment, "").await;
    assert_eq!(groups(&listed.stdout), groups_of_lines());
}

#[tokio::test]
async fn a_folder_in_use_is_reached_through_its_holder() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let (address, key) = serve(data).await;
    let lock = File::create(data.join("lock")).expect("made");
    lock.try_lock().expect("free");
    std::fs::write(
        data.join("lock"),
        json!({"pid": std::process::id(), "address": address}).to_string(),
    )
    .expect("written");
    std::fs::write(data.join("admin.key"), key).expect("written");
    let data = data.to_str().expect("text");
    let imported = run(&["import", "-", "--data", data], &[], LINES).await;
    assert_eq!(
        imported.stdout, "4 lines: 3 stored, 0 unchanged, 1 refused\n",
        "{}",
        imported.stderr
    );
    let listed = run(&["groups", "--feature", "posts", "--data", data, "--json"], &[], "").await;
    assert_eq!(groups(&listed.stdout), groups_of_lines());
}

#[tokio::test]
async fn a_refused_key_and_a_service_that_is_away_say_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let (address, _key) = serve(folder.path()).await;
    let url = format!("http://{address}/api/v1");
    let refused = run(
        &["groups", "--feature", "posts", "--url", &url],
        &[("CONFIG_SERVICE_API_KEY", "hunter2")],
        "",
    )
    .await;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("set CONFIG_SERVICE_API_KEY"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("hunter2"));
    let away =
        run(&["groups", "--feature", "posts", "--url", "http://127.0.0.1:1/api/v1"], &[], "").await;
    assert_eq!(away.code, 1);
    assert!(away.stderr.contains("is it running?"), "{}", away.stderr);
}

#[tokio::test]
async fn an_import_into_a_running_service_stores_the_good_lines_and_ends_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let data = folder.path().to_str().expect("text").to_owned();
    let lines = format!("{LINES}not json\n\n");
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
