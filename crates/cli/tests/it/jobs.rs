//! `cohort apply`, `diff`, `jobs`, `schedules`, `pause` and `resume`, on a running `cohort up` and
//! on the files of a folder.

use serde_json::{Value, json};

use crate::serving::Up;
use crate::test_folder::TestFolder;

fn job(id: &str) -> Value {
    json!({
        "job_id": id, "type": "individual_batch", "purpose_id": "write", "preference_based": true,
        "feature_type": "posts",
        "priority": "medium",
        "default_preferences": {"frequency": "daily", "preferred_time": "09:00"}
    })
}

fn config(jobs: &[Value]) -> Value {
    json!({
        "batch_processing_jobs": jobs,
        "purposes": {"write": {"handler": "template", "template_file": "post.txt",
            "output_dir": "posts"}}
    })
}

fn folder() -> TestFolder {
    let folder = TestFolder::new();
    folder.write("post.txt", "for {{ tenant_id }}");
    folder
}

/// Writes a batch config, and returns its path.
fn write(folder: &TestFolder, name: &str, config: &Value) -> String {
    folder.write(name, &config.to_string())
}

/// Applies, compares and pauses, whoever holds the folder.
fn walk_through_all_operations(folder: &TestFolder) {
    let first = write(folder, "first.json", &config(&[job("a"), job("b")]));
    let mut changed = job("a");
    changed["priority"] = json!("high");
    let second = write(folder, "second.json", &config(&[changed]));

    assert_eq!(
        folder.lines(&["apply", &first]),
        ["job a created v1", "job b created v1", "purpose write created v1"]
    );
    assert_eq!(
        folder.lines(&["apply", &first]),
        ["job a unchanged v1", "job b unchanged v1", "purpose write unchanged v1"]
    );
    assert_eq!(folder.lines(&["diff", &first]), Vec::<String>::new());
    let differs = folder.run(&["diff", &second]);
    assert_eq!((differs.code, differs.stderr.as_str()), (1, ""), "{}", differs.stdout);
    assert_eq!(
        differs.stdout,
        "job a updated v2\n  /priority: \"medium\" -> \"high\"\njob b removed\n"
    );
    assert_eq!(folder.lines(&["diff", &first]), Vec::<String>::new(), "a diff changes nothing");
    assert_eq!(folder.run(&["diff", &second, "--json"]).stdout.lines().count(), 3);
    assert_eq!(folder.json(&["apply", &second])[0]["differences"][0]["path"], "/priority");

    let job = folder.json(&["jobs"]).remove(0);
    assert_eq!(
        (&job["job_id"], &job["version"], &job["state"]),
        (&json!("a"), &json!(2), &json!("active"))
    );
    assert_eq!(job["applied_by"], "admin");
    assert!(folder.lines(&["pause", "a"])[0].starts_with("a is paused since 20"));
    assert_eq!(folder.json(&["jobs"])[0]["state"], "paused");
    assert_eq!(folder.lines(&["resume", "a"]), ["a plans again"]);
    assert_eq!(folder.json(&["jobs"])[0]["state"], "active");
    let nobody = folder.run(&["pause", "b"]);
    assert!(nobody.code == 1 && nobody.stderr.contains("there is no job b"), "{}", nobody.stderr);
}

#[test]
fn jobs_are_applied_compared_and_paused_on_a_folder_that_nobody_serves() {
    let folder = folder();
    walk_through_all_operations(&folder);
    for without_agent in [folder.run(&["schedules"]), folder.run(&["trigger", "a"])] {
        assert!(
            without_agent.code == 1 && without_agent.stderr.contains("no agent runs"),
            "{}",
            without_agent.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_applied_compared_and_paused_on_a_running_agent_and_are_in_force_at_once() {
    let folder = folder();
    let up = Up::start(&folder.data(), &[], &[]);
    assert_eq!(folder.lines(&["jobs"]), ["there is no job; `cohort apply FILE` makes some"]);
    up.rest()
        .put(
            "/tenants/ann/preferences/posts",
            json!({"preferred_time": "10:00", "timezone": "UTC"}).to_string(),
        )
        .await;
    walk_through_all_operations(&folder);
    let schedules = folder.json(&["schedules", "--job", "a"]);
    assert_eq!(
        (schedules.len(), &schedules[0]["time_key"], &schedules[0]["members"]),
        (1, &json!("10:00"), &json!(1))
    );
    let job = folder.json(&["jobs"]).remove(0);
    assert_eq!((&job["groups"], &job["next_run"]["timezone"]), (&json!(1), &json!("UTC")));
    let triggered = folder.json(&["trigger", "a"]).remove(0);
    let outcome = loop {
        if let Some(outcome) = up.rest().outcomes().await.pop() {
            break outcome;
        }
    };
    assert_eq!(
        (&outcome["nominal"], &outcome["status"]),
        (&triggered["nominal"], &json!("succeeded"))
    );
    // Without the flag, the next start goes by what is stored.
    up.terminate();
    let _up = Up::start(&folder.data(), &[], &[]);
    assert_eq!(folder.json(&["schedules"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_cannot_be_served_is_refused_whole_with_the_name_of_what_cannot() {
    let folder = folder();
    let mut lost = config(&[job("a")]);
    lost["purposes"]["write"]["template_file"] = json!("lost.txt");
    let lost = write(&folder, "lost.json", &lost);
    let nobody = write(&folder, "nobody.json", &json!([job("a")]));
    let command = write(
        &folder,
        "command.json",
        &json!({"batch_processing_jobs": [],
                "purposes": {"run": {"handler": "command", "argv": []}}}),
    );
    let refused = |file: &str, parts: &[&str]| {
        let ended = folder.run(&["apply", file]);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{}", ended.stderr);
    };
    refused(&nobody, &["job a", "no handler serves the purpose write"]);
    refused(&command, &["purpose run", "not served by this version"]);
    let up = Up::start(&folder.data(), &[], &[]);
    refused(&nobody, &["job a", "no handler serves the purpose write"]);
    refused(&lost, &["purpose write", "lost.txt"]);
    assert_eq!(up.rest().get("/jobs").await.json(), json!({"jobs": []}));
    let broken = up.rest().put("/batch-config", "{\n\"job\": 1}").await;
    assert_eq!((broken.status, broken.kind.as_str()), (422, "application/problem+json"));
    assert!(broken.text.contains("line 2"), "{broken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_only_reads_sees_the_jobs_and_does_not_act_on_them() {
    let folder = folder();
    let file = write(&folder, "first.json", &config(&[job("a")]));
    let up = Up::start(&folder.data(), &["--batch-config", &file], &[]);
    let made = folder.run(&["keys", "create", "reader", "--scope", "read"]);
    let reader = up.rest().with_key(made.stdout.trim());
    assert_eq!(reader.get("/jobs").await.json()["jobs"][0]["applied_by"], "start of embedded");
    assert_eq!(reader.get("/purposes").await.json()["purposes"][0]["purpose_id"], "write");
    assert_eq!(reader.get("/jobs/a/versions").await.json()["versions"][0]["version"], 1);
    let in_force = reader.get("/batch-config").await;
    assert_eq!(in_force.json()["batch_processing_jobs"], json!([job("a")]));
    for refused in [
        reader.put("/batch-config", in_force.text.clone()).await,
        reader.post("/jobs/a/pause", Value::Null).await,
        reader.post("/jobs/a/resume", Value::Null).await,
        reader.post("/jobs/a/trigger", Value::Null).await,
    ] {
        assert_eq!(
            (refused.status, refused.kind.as_str()),
            (403, "application/problem+json"),
            "{refused:?}"
        );
    }
    assert_eq!(up.rest().post("/jobs/lost/pause", Value::Null).await.status, 404);
    assert_eq!(up.rest().get("/schedules?cursor=yesterday").await.status, 422);
}

#[test]
fn a_restart_with_the_old_file_does_not_take_back_what_was_applied_since() {
    let folder = folder();
    let file = write(&folder, "first.json", &config(&[job("a")]));
    Up::start(&folder.data(), &["--batch-config", &file], &[]).terminate();
    let later = write(&folder, "later.json", &config(&[job("a"), job("b")]));
    assert_eq!(folder.lines(&["apply", &later])[1], "job b created v1");
    let (ended, _took) = Up::start(&folder.data(), &["--batch-config", &file], &[]).terminate();
    assert!(ended.stderr.contains("applied since: those stay"), "{}", ended.stderr);
    assert_eq!(folder.json(&["jobs"]).len(), 2);
    // A file that differs from the last start's is applied.
    let (ended, _took) = Up::start(
        &folder.data(),
        &["--batch-config", &write(&folder, "third.json", &config(&[job("b")]))],
        &[],
    )
    .terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        folder.json(&["jobs"]).iter().map(|job| job["job_id"].clone()).collect::<Vec<_>>(),
        ["b"]
    );
}

/// The text that was written last for ann, whatever run wrote it.
fn text_for_ann(folder: &TestFolder) -> Option<String> {
    let runs = std::fs::read_dir(folder.path("posts")).ok()?;
    let files = runs.map(|run| run.expect("a folder").path().join("ann.html"));
    let written = files.filter(|file| file.exists());
    let last = written.max_by_key(|file| file.metadata().and_then(|meta| meta.modified()).ok());
    std::fs::read_to_string(last?).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_template_is_a_new_version_that_runs_without_a_restart_and_without_the_file() {
    let folder = TestFolder::new();
    let mut wanted = config(&[job("a")]);
    wanted["purposes"]["write"]["template_file"] = json!("mail.html");
    let file = write(&folder, "batch.json", &wanted);
    folder.write("mail.html", "Dear\n{{ overrides.name }},\nbuy");
    let up = Up::start(&folder.data(), &[], &[]);
    let preference = json!({"timezone": "UTC", "template_overrides": {"name": "<Ann>"}});
    up.rest().put("/tenants/ann/preferences/posts", preference.to_string()).await;
    folder.lines(&["apply", &file]);
    folder.lines(&["trigger", "a"]);
    let first = up.rest().outcomes_when(1).await;
    assert_eq!(
        (&first[0]["purpose_version"], &first[0]["status"]),
        (&json!(1), &json!("succeeded"))
    );
    assert_eq!(text_for_ann(&folder).as_deref(), Some("Dear\n&lt;Ann&gt;,\nbuy"));

    folder.write("mail.html", "Dear\n{% if %}");
    let faulty = folder.run(&["apply", &file]);
    assert_eq!(faulty.code, 2, "{}", faulty.stderr);
    let named = ["purpose write", "mail.html has a fault", "mail.html:2"];
    assert!(named.iter().all(|part| faulty.stderr.contains(part)), "{}", faulty.stderr);

    folder.write("mail.html", "Dear\n{{ overrides.name }},\nhello");
    let differs = folder.run(&["diff", &file]);
    assert_eq!(differs.code, 1, "{}", differs.stderr);
    for line in ["purpose write updated v2", "/template", "    -buy", "    +hello"] {
        assert!(differs.stdout.contains(line), "{}", differs.stdout);
    }
    assert_eq!(folder.lines(&["apply", &file])[1], "purpose write updated v2");
    std::fs::remove_file(folder.path("mail.html")).expect("removed");
    folder.lines(&["trigger", "a"]);
    let second = up.rest().outcomes_when(2).await;
    assert_eq!(second[1]["purpose_version"], 2);
    assert_eq!(text_for_ann(&folder).as_deref(), Some("Dear\n&lt;Ann&gt;,\nhello"));

    up.terminate();
    let up = Up::start(&folder.data(), &[], &[]);
    folder.lines(&["trigger", "a"]);
    let third = up.rest().outcomes_when(3).await;
    assert_eq!(
        (&third[2]["purpose_version"], &third[2]["status"]),
        (&json!(2), &json!("succeeded"))
    );
}
