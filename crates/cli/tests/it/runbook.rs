//! The runbook, executed: each chapter's commands meet real processes that have its fault, and what
//! they print has to be what the page shows.
//!
//! A fenced block whose info string says `runbook=NAME` belongs to the chapter of that name: a
//! block of `sh` has its commands, one a line, and the block of `text` behind it what they print.
//! Dates, times, spans and numbers may be others, and so may the places where lines are wrapped.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::post;
use cohort_database::testing::fresh_postgres;
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::apart::{until_ready, until_within};
use crate::handler::serve_work;
use crate::ready::SmallDisk;
use crate::serving::Up;

/// Longer than the minute after which work is late.
const PATIENCE: Duration = Duration::from_secs(150);

/// The chapters that the tests below play; the page may have no other.
const CHAPTERS: [&str; 8] =
    ["nothing", "late", "outage", "template", "full", "restored", "move", "deploy"];

/// The Monday of which the page speaks.
const MONDAY: &str = "2026-12-07";

/// A folder in which somebody on call stands, and `cohort up` on its folder `data`.
struct Scene {
    folder: std::path::PathBuf,
    up: Up,
    _until_the_end: Option<TempDir>,
}

impl Scene {
    /// With Ann and Bob, and a job whose work this endpoint does.
    fn with_endpoint(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        Self { _until_the_end: Some(folder), ..Self::at(&path, endpoint) }
    }

    fn at(folder: &Path, endpoint: &str) -> Self {
        Self::with_purpose(folder, &json!({"handler": "http", "url": endpoint}))
    }

    fn with_purpose(folder: &Path, purpose: &Value) -> Self {
        let job = json!({"job_id": "post_briefs", "type": "individual_batch",
            "feature_type": "briefs", "purpose_id": "write", "preference_based": true});
        let purposes = json!({"write": purpose});
        let batch = json!({"batch_processing_jobs": [job], "purposes": purposes});
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).expect("written");
        };
        write("batch.json", &batch.to_string());
        let weekly = json!({"frequency": "weekly", "preferred_day": "monday",
            "preferred_time": "10:00", "timezone": "Europe/Berlin"});
        let lines = ["ann", "bob"].map(|tenant| {
            json!({"tenant_id": tenant, "feature_type": "briefs", "preference": weekly}).to_string()
        });
        write("preferences.jsonl", &lines.join("\n"));
        shell(folder, "cohort import preferences.jsonl --data data");
        let batch = folder.join("batch.json");
        let arguments = ["--batch-config", batch.to_str().expect("text")];
        let up = Up::start(&folder.join("data"), &arguments, &[]);
        Self { folder: folder.to_owned(), up, _until_the_end: None }
    }

    async fn trigger(&self) {
        let triggered = self.up.rest().post("/jobs/post_briefs/trigger", json!({})).await;
        assert_eq!(triggered.status, 200, "{}", triggered.text);
    }

    /// Runs the commands of a chapter until they print what the page shows.
    async fn play(&self, chapter: &str) {
        let (commands, shown) = blocks(chapter, &page());
        let shown = without_figures(&shown);
        let mut printed = String::new();
        until_within(PATIENCE, &format!("{chapter} goes as the page shows"), async || {
            let (folder, commands) = (self.folder.clone(), commands.clone());
            let ran = tokio::task::spawn_blocking(move || shell(&folder, &commands));
            let now = ran.await.expect("no panic");
            if now != printed {
                eprintln!("{now}\n---");
            }
            printed = now;
            without_figures(&printed) == shown
        })
        .await;
    }
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/RUNBOOK.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    page.replace(MONDAY, &next_monday().to_string())
}

fn next_monday() -> jiff::civil::Date {
    let today = jiff::tz::TimeZone::UTC.to_datetime(now()).date();
    today.nth_weekday(1, jiff::civil::Weekday::Monday).expect("there is one")
}

fn now() -> jiff::Timestamp {
    use cohort_preferences::Clock;
    cohort_batch_agent::SystemClock.now()
}

/// Runs lines in a folder, as somebody at a terminal of it would, and returns what they print.
fn shell(folder: &Path, lines: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_cohort")).parent().expect("in a folder");
    let path = std::env::var_os("PATH").expect("there is a PATH");
    let path =
        std::env::join_paths([program.to_owned()].into_iter().chain(std::env::split_paths(&path)));
    let ran = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{lines}")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path.expect("a path"))
        .stdin(Stdio::null())
        .output()
        .expect("sh is there");
    String::from_utf8(ran.stdout).expect("text")
}

/// The commands of a chapter, and what they print.
fn blocks(chapter: &str, page: &str) -> (String, String) {
    let all = all_blocks(page);
    let of = |language: &str| {
        let wanted = format!("{language} runbook={chapter}");
        let found = all.iter().find(|(info, _)| *info == wanted);
        found.unwrap_or_else(|| panic!("the page lacks a block {wanted}")).1.clone()
    };
    (of("sh"), of("text"))
}

fn all_blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text = lines.by_ref().take_while(|line| *line != "```");
        let text: String = text.flat_map(|line| [line, "\n"]).collect();
        blocks.push((info.to_owned(), text));
    }
    blocks
}

/// The words of a text, with signs in place of what is another each time.
fn without_figures(text: &str) -> String {
    let signs = [
        (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?", "INSTANT"),
        (r"\d{4}-\d\d-\d\d", "DATE"),
        (r"(trigger|rerun):[0-9a-f-]+", "$1:UUID"),
        (r"\b\d{4}[a-z]\b", "RELEASE"),
        (r"\w+day \d+ [A-Z][a-z]+( \d{4})?", "DAY"),
        (r"\d\d:\d\d(:\d\d)?", "CLOCK"),
        (r"(\d+ d )?(\d+ h )?\d+ (min|h|s)\b", "SPAN"),
        (r"\d+(\.\d+)? ([KMGT]iB|B)\b", "SIZE"),
        (r"\b\d[\d,.]*\b", "N"),
        (r"\s+", " "),
    ];
    signs.iter().fold(text.to_owned(), |text, (pattern, sign)| {
        Regex::new(pattern).expect("valid").replace_all(&text, *sign).into_owned()
    })
}

#[test]
fn every_chapter_with_commands_is_played() {
    let blocks = all_blocks(&page());
    let chapters = blocks.iter().filter_map(|(info, _)| info.strip_prefix("sh runbook="));
    assert_eq!(chapters.collect::<Vec<_>>(), CHAPTERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_got_nothing_is_explained() {
    let scene = Scene::with_endpoint("http://127.0.0.1:9/posts");
    let switched_off = json!({"frequency": "weekly", "preferred_day": "monday",
        "preferred_time": "10:00", "timezone": "Europe/Berlin", "enabled": false});
    let rest = scene.up.rest();
    let put = rest.put("/tenants/bob/preferences/briefs", switched_off.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.text);
    scene.play("nothing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_that_are_late_are_seen_with_who_waits_and_why() {
    let hold = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&hold);
    let endpoint = serve_work(post(async move || {
        let _permit = held.acquire().await;
        StatusCode::OK
    }));
    let folder = tempfile::tempdir().expect("a folder");
    let purpose = json!({"handler": "http", "url": endpoint.await, "timeout": "10m"});
    let scene = Scene::with_purpose(folder.path(), &purpose);
    scene.trigger().await;
    scene.play("late").await;
    hold.add_permits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_is_down_is_seen_with_who_waits_and_the_next_probe() {
    let down = async || (StatusCode::SERVICE_UNAVAILABLE, "sorry, down");
    let scene = Scene::with_endpoint(&serve_work(post(down)).await);
    let rest = scene.up.rest();
    let daily = json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC"});
    for user in 0..30 {
        let path = format!("/tenants/u{user}/preferences/briefs");
        let put = rest.put(&path, daily.to_string()).await;
        assert_eq!(put.status, 201, "{}", put.text);
    }
    scene.trigger().await;
    scene.play("outage").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_template_is_stopped_and_the_work_done_again_with_the_good_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let template = folder.path().join("brief.txt");
    std::fs::write(&template, "Dear {{ tenant_id }}, you owe us 1000").expect("written");
    let purpose =
        json!({"handler": "template", "template_file": "brief.txt", "output_dir": "briefs"});
    let scene = Scene::with_purpose(folder.path(), &purpose);
    scene.trigger().await;
    scene.up.rest().outcomes_when(2).await;

    let (commands, shown) = blocks("template", &page());
    let (stop, again) = commands.split_once('\n').expect("two commands");
    let stopped = shell(folder.path(), stop);
    std::fs::write(&template, "Dear {{ tenant_id }}, we owe you 1000").expect("written");
    let printed = stopped + &shell(folder.path(), again);
    assert_eq!(without_figures(&printed), without_figures(&shown), "{printed}");

    scene.up.rest().outcomes_when(4).await;
    let texts: Vec<_> = walkdir::WalkDir::new(folder.path().join("briefs"))
        .into_iter()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .collect();
    assert!(texts.contains(&"Dear bob, we owe you 1000".to_owned()), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_seen_and_what_waits_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not tried: this user may not mount a small file system");
        return;
    };
    let scene = Scene::at(disk.path(), "http://127.0.0.1:9/posts");
    until_ready(&scene.up).await;
    let filling = disk.fill();
    scene.play("full").await;
    std::fs::remove_file(filling).expect("removed");
    until_ready(&scene.up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_put_back_goes_on_when_somebody_says_how() {
    let scene = Scene::with_endpoint(&serve_work(post(async || StatusCode::OK)).await);
    until_ready(&scene.up).await;
    shell(&scene.folder, "cohort backup monday --data data");
    let Scene { folder, up, _until_the_end } = scene;
    drop(up);
    shell(&folder, "mv data gone; cohort restore monday --data data");
    let up = Up::start(&folder.join("data"), &[], &[]);
    let told = shell(&folder, "cohort status --data data");
    assert!(told.contains("Not well: the ledger was restored, and agents hold."), "{told}");

    let (commands, shown) = blocks("restored", &page());
    let printed = shell(&folder, &commands);
    assert_eq!(without_figures(&printed), without_figures(&shown), "{printed}");
    until_ready(&up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_moved_to_postgresql() {
    const SHOWN_ADDRESS: &str = "postgres://cohort:PASSWORD@db.example/cohort";
    let database = fresh_postgres();
    let scene = Scene::with_endpoint(&serve_work(post(async || StatusCode::OK)).await);
    let Scene { folder, up, _until_the_end } = scene;
    drop(up);
    let (commands, shown) = blocks("move", &page());
    // Short enough that a word can be added to it.
    let name = &database.schema.as_str()[..30];
    let address = format!("{} --name {name}", database.url);
    let commands = commands.replace(SHOWN_ADDRESS, &address);
    let (copy, serve) = commands.split_once('\n').expect("two commands");
    let copied = shell(&folder, copy);
    let place = Regex::new(r"postgres://[^ ]+").expect("valid");
    let told = place.replace_all(&copied, "PLACE").replace(name, "cohort");
    let shown = place.replace_all(&shown, "PLACE");
    let shown = without_figures(&shown);
    assert!(shown.starts_with(without_figures(&told).trim()), "{copied}");

    let serve = serve.trim().strip_prefix("cohort ").expect("a command of cohort");
    let arguments: Vec<_> = serve.split(' ').map(std::ffi::OsStr::new).collect();
    let service = Up::start_command(&folder.join("data"), &arguments, &[]);
    let bob = service.rest().get("/tenants/bob/preferences/briefs").await;
    assert_eq!(bob.status, 200, "{}", bob.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_program_takes_the_place_of_the_old_one() {
    let endpoint = serve_work(post(async || StatusCode::OK)).await;
    let scene = Scene::with_endpoint(&endpoint);
    let (commands, shown) = blocks("deploy", &page());
    let (stop, start) = commands.split_once('\n').expect("two commands");
    assert_eq!(shell(&scene.folder, stop), "");
    let Scene { folder, up: old, _until_the_end } = scene;
    assert_eq!(old.ended().0.code, 0);
    let start = start.trim().strip_prefix("cohort ").expect("a command of cohort");
    let arguments: Vec<_> = start
        .split(' ')
        .map(|word| if word == "data" { folder.join(word) } else { word.into() })
        .collect();
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_os_str()).collect();
    let new = Up::start_command(&folder.join("data"), &arguments, &[]);
    let listens = shown.split("http").next().expect("text");
    assert!(listens.starts_with("Cohort listens on "), "{shown}");
    until_ready(&new).await;
    let told = shell(&folder, "cohort status --data data");
    assert!(told.contains("All is well"), "{told}");
}
