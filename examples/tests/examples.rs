//! Each example runs as its own process, in a folder of its own, against a real Config Database.

use std::future::IntoFuture;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use cohort_batch_agent::SystemClock;
use cohort_config_client::ConfigDatabaseClient;
use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A Config Database, and the folder that an example works in.
struct World {
    client: ConfigDatabaseClient,
    url: String,
    key: String,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options =
            ConfigServiceOptions::sqlite(folder.path().join("config.db"), Arc::new(SystemClock));
        let service = ConfigService::open(options).await.expect("opened");
        let key = service.create_key("example", Scope::Admin).await.expect("made");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/api/v1", listener.local_addr().expect("bound"));
        tokio::spawn(axum::serve(listener, service.router()).into_future());
        let client = ConfigDatabaseClient::builder(&url).api_key(&key).build().expect("valid");
        Self { client, url, key, folder }
    }

    async fn set(&self, tenant: &str, feature: &str, preference: Value) {
        self.client.set_feature_preference(tenant, feature, &preference).await.expect("stored");
    }

    fn command(&self, example: &str) -> Command {
        let mut command = Command::new(example);
        command
            .current_dir(self.folder.path())
            .env("CONFIG_SERVICE_URL", &self.url)
            .env("CONFIG_SERVICE_API_KEY", &self.key);
        command
    }

    /// Runs an example to its end.
    async fn run(&self, example: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(example);
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("the example starts"))
            .await
            .expect("the example ends")
    }
}

/// An example that is still at work; it ends with the test.
struct Running(Child);

impl Running {
    /// Returns the first line that it prints.
    async fn first_line(&mut self) -> String {
        let stdout = self.0.stdout.take().expect("piped");
        let read = move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_bytes| line)
        };
        tokio::task::spawn_blocking(read).await.expect("read").expect("a line")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("it is a process of this test");
        self.0.wait().expect("it ends");
    }
}

fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_agent_greets_a_user_at_the_next_full_minute() {
    let world = World::new().await;
    let each_minute = json!({"frequency": "cron", "cron": "* * * * *", "timezone": "UTC"});
    world.set("ann", "greetings", each_minute).await;

    let mut command = world.command(env!("CARGO_BIN_EXE_embedded-agent"));
    let mut running = Running(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let line = running.first_line().await;
    assert!(line.starts_with("Good morning, ann: "), "{line}");
    assert!(line.ends_with("(UTC)\n"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_handler_writes_a_post_for_each_user_who_asked_for_that_time() {
    let world = World::new().await;
    for (tenant, time, overrides) in [
        ("ann", "09:00", json!({"tone": "dry", "hashtags": 2})),
        ("bob", "09:00", json!({"tone": "rude"})),
        ("cleo", "18:00", json!({"tone": "warm"})),
    ] {
        let preference = json!({"frequency": "daily", "preferred_time": time, "timezone": "UTC",
            "template_overrides": overrides});
        world.set(tenant, "instagram_posts", preference).await;
    }

    let own_handler = env!("CARGO_BIN_EXE_own-handler");
    let output = world.run(own_handler, &["instagram_posts", "daily", "09:00"]).await;
    assert_eq!(stdout(&output), "daily:09:00 UTC: 1 succeeded, 1 failed\n");
    let posts: Vec<_> = std::fs::read_dir(world.folder.path())
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    let [post] = &posts[..] else { panic!("one post, got {posts:?}") };
    let text = std::fs::read_to_string(post).expect("text");
    assert_eq!(text, "A dry post for ann with 2 hashtags");

    let nobody = world.run(own_handler, &["instagram_posts", "weekly", "monday:10:00"]).await;
    assert!(!nobody.status.success(), "nobody asked for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_job_lists_the_groups_that_it_serves() {
    let world = World::new().await;
    let monday = json!({"frequency": "weekly", "preferred_day": "monday", "preferred_time": "10:00",
        "timezone": "Europe/Berlin"});
    world.set("ann", "digests", monday).await;
    world.set("bob", "digests", json!({"timezone": "UTC"})).await;

    let listed = stdout(&world.run(env!("CARGO_BIN_EXE_own-job"), &[]).await);
    assert!(listed.contains("weekly:monday:10:00 Europe/Berlin: 1 users, next "), "{listed}");
    assert!(listed.contains("weekly:friday:17:00 UTC: 1 users, next "), "{listed}");
}
