//! `cohort explain`, asked of a running `cohort up` and of the files that it leaves.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Finished, cohort};
use crate::serving::Up;

/// A job for the feature `posts` that runs daily at 09:00 where users say nothing else.
fn batch_config() -> Value {
    let job = json!({
        "job_id": "briefs", "type": "individual_batch", "purpose_id": "write",
        "preference_based": true, "feature_type": "posts",
        "default_preferences": {"frequency": "daily"}
    });
    let purpose =
        json!({"handler": "template", "template_file": "post.txt", "output_dir": "posts"});
    json!({"batch_processing_jobs": [job], "purposes": {"write": purpose}})
}

fn explain(data: &Path, tenant: &str, job: &str, at: &str) -> Finished {
    cohort(
        &[
            "explain",
            tenant,
            "--job",
            job,
            "--at",
            at,
            "--json",
            "--data",
            data.to_str().expect("text"),
        ],
        "",
    )
}

/// The answer and the first line of an explanation that has to be given.
#[track_caller]
fn answer(data: &Path, tenant: &str, at: &str) -> (String, String) {
    let ended = explain(data, tenant, "briefs", at);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let explanation: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let text = |field: &str| explanation[field].as_str().expect("a text").to_owned();
    (text("answer"), text("sentence"))
}

/// What is asked while the service runs, and again of its files: users with a preference each, of
/// which one is off.
#[track_caller]
fn assert_explained(data: &Path) {
    let (off, sentence) = answer(data, "off", "2099-12-07");
    assert_eq!(off, "disabled");
    assert!(
        sentence.starts_with(
            "off will not be run on Monday 7 December 2099 at 09:00 Europe/Berlin: switched off on "
        ),
        "{sentence}"
    );
    assert_eq!(answer(data, "on", "2099-12-07").0, "not_yet_due");
    assert_eq!(answer(data, "on", "2099-12-07T10:00").0, "not_due");
    assert_eq!(answer(data, "on", "1999-12-07").0, "job_not_yet_applied");
    assert_eq!(
        answer(data, "nobody", "2099-12-07"),
        (
            "unknown_user".into(),
            "there is no user nobody: there never was, or the person has been erased".into()
        )
    );
    let no_job = explain(data, "on", "brief", "2099-12-07");
    assert_eq!(no_job.code, 0, "{}", no_job.stderr);
    assert!(no_job.stdout.contains("\"unknown_job\""), "{}", no_job.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_user_gets_nothing_is_said_by_the_service_and_from_its_files_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, config) = (folder.path().join("data"), folder.path().join("batch.json"));
    std::fs::write(folder.path().join("post.txt"), "for {{ tenant_id }}").expect("written");
    std::fs::write(&config, batch_config().to_string()).expect("written");
    let up = Up::start(&data, &["--batch-config", config.to_str().expect("text")], &[]);
    for (tenant, enabled) in [("on", true), ("off", false)] {
        let preference =
            json!({"preferred_time": "09:00", "timezone": "Europe/Berlin", "enabled": enabled});
        assert_eq!(
            up.rest()
                .put(&format!("/tenants/{tenant}/preferences/posts"), preference.to_string())
                .await
                .status,
            201
        );
    }
    assert_explained(&data);
    for wrong in ["/tenants/on/explain?job=briefs&at=someday", "/tenants/on/explain?job=briefs"] {
        assert_eq!(up.rest().get(wrong).await.status, 422, "{wrong}");
    }
    up.terminate();
    assert_explained(&data);

    let text = cohort(
        &[
            "explain",
            "on",
            "--job",
            "briefs",
            "--at",
            "2099-12-07",
            "--data",
            data.to_str().expect("text"),
        ],
        "",
    )
    .stdout;
    let mut lines = text.lines();
    assert!(lines.next().is_some_and(|first| {
        first.starts_with("on will be run on Monday 7 December 2099 at 09:00 Europe/Berlin: in ")
    }));
    assert!(
        text.contains("STEP        FOUND")
            && text.trim_end().ends_with("Answer: not_yet_due. Wait."),
        "{text}"
    );
    assert_eq!(explain(&data, "on", "briefs", "someday").code, 2);
    let data = data.to_str().expect("text");
    let told = cohort(&["explain", "on", "--at", "tomorrow", "--data", data, "--json"], "");
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(told["asked"], "tomorrow");
    let explained = told["explanations"].as_array().expect("a list");
    let [briefs] = &explained[..] else { panic!("one job has to do with the user: {told}") };
    assert_eq!(
        (&briefs["job_id"], &briefs["answer"], &briefs["timezone"]),
        (&json!("briefs"), &json!("not_yet_due"), &json!("Europe/Berlin"))
    );
    let told = cohort(&["explain", "off", "--at", "tomorrow 09:00", "--data", data], "");
    assert!(told.stdout.starts_with("Job briefs\n\noff will not be run on "), "{}", told.stdout);
    assert!(told.stdout.contains("All times are those of Europe/Berlin."), "{}", told.stdout);
}
