//! "A bad template went to 400 users: stop it now, then do them again", on a running `cohort up`
//! (D13 to D15).

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::serving::Up;
use crate::test_folder::TestFolder;

/// Users to whom the bad template went.
const USERS: usize = 400;

/// A running folder whose job writes a mail for each of these users when it is triggered.
fn with_users(folder: &TestFolder) -> (Up, String) {
    let job = json!({"job_id": "mails", "type": "individual_batch", "purpose_id": "write",
        "preference_based": true, "feature_type": "posts"});
    let batch = json!({"batch_processing_jobs": [job], "purposes": {"write": {
        "handler": "template", "template_file": "mail.html", "output_dir": "mails"}}});
    folder.write("mail.html", "<p>Dear {{ tenant_id }}, you owe us 1000");
    let file = folder.write("batch.json", &batch.to_string());
    let lines = (0..USERS).map(|user| {
        let preference = json!({"frequency": "monthly", "preferred_day": 1,
            "preferred_time": "00:00", "timezone": "UTC"});
        json!({"tenant_id": format!("u{user}"), "feature_type": "posts", "preference": preference})
            .to_string()
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    let imported = folder.run_with(&["import", "-"], &lines);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let up = Up::start(&folder.data(), &["--batch-config", &file], &[]);
    (up, file)
}

fn by_user(outcomes: &[Value]) -> HashMap<&str, &Value> {
    let named = outcomes.iter().map(|one| (one["tenant_id"].as_str().expect("text"), one));
    named.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_template_is_stopped_corrected_and_done_again_for_who_got_it() {
    let folder = TestFolder::new();
    let (up, file) = with_users(&folder);
    let triggered = folder.json(&["trigger", "mails"]).remove(0);
    let bad = up.rest().outcomes_when(USERS).await;

    let stopped = folder.line(&["stop", "mails"]);
    assert!(stopped.starts_with("mails is stopped: 0 open runs"), "{stopped}");
    assert_eq!(folder.json(&["jobs"])[0]["state"], "paused");
    let dry_run = json!({"all": true, "dry_run": true});
    let pause = up.rest().post("/pause", dry_run.clone()).await;
    assert_eq!(pause.status, 409, "a dry run of what changes nothing: {}", pause.text);
    let resume = up.rest().post("/resume", dry_run).await;
    assert_eq!(resume.json()["jobs"], json!(["mails"]));
    assert_eq!(folder.json(&["jobs"])[0]["state"], "paused", "a dry run does nothing");
    folder.write("mail.html", "<p>Dear {{ tenant_id }}, we owe you 1000");
    assert_eq!(folder.lines(&["apply", &file])[1], "purpose write updated v2");
    assert_eq!(folder.line(&["resume", "mails"]), "mails plans again");
    let off = json!({"enabled": false}).to_string();
    assert_eq!(up.rest().put("/tenants/u7/preferences/posts", off).await.status, 200);

    let who = ["--job", "mails", "--status", "succeeded", "--since", "2020-01-01T00:00:00Z"];
    let told = folder.line(&[&["rerun"], &who[..], &["--dry-run"]].concat());
    assert_eq!(
        told,
        "400 users (u0, u1, u10, u100, u101, u102, u103, u104, u105, u106, …): would be done again"
    );
    assert_eq!(up.rest().outcomes().await.len(), USERS, "a dry run does nothing");
    let opened = folder.json(&[&["rerun"], &who[..]].concat()).remove(0);
    assert_eq!((&opened["users"], &opened["outcomes"]), (&json!(400), &json!(400)));
    let all = up.rest().outcomes_when(2 * USERS).await;

    let (bad, again) = (by_user(&bad), by_user(&all[USERS..]));
    assert_eq!(again.len(), USERS);
    for (user, outcome) in &again {
        let expected = if *user == "u7" { ("skipped", "disabled") } else { ("succeeded", "-") };
        let reason = outcome["reason"].as_str().unwrap_or("-");
        assert_eq!((outcome["status"].as_str().expect("text"), reason), expected, "{outcome}");
        let repeats = &outcome["repeats"];
        assert_eq!(
            (&repeats["nominal"], &repeats["timezone"], &repeats["key"]),
            (&triggered["nominal"], &json!("UTC"), &bad[user]["key"])
        );
        assert_ne!(outcome["key"], bad[user]["key"]);
        assert_eq!(outcome["nominal"], opened["nominal"]);
    }
    assert_eq!(
        (&bad["u1"]["purpose_version"], &again["u1"]["purpose_version"]),
        (&json!(1), &json!(2))
    );
    let texts = folder.path(&format!(
        "mails/{}_UTC",
        triggered["nominal"].as_str().expect("text").replace(':', "")
    ));
    let text = |user: &str| std::fs::read_to_string(format!("{texts}/{user}.html"));
    assert_eq!(text("u1").expect("written"), "<p>Dear u1, we owe you 1000");
    assert_eq!(text("u7").expect("written"), "<p>Dear u7, you owe us 1000", "who has said no");

    let once_more = folder.json(&[&["rerun"], &who[..], &["--dry-run"]].concat()).remove(0);
    assert_eq!(once_more["outcomes"], 400, "a rerun stands for what is selected itself");
    let unaccounted = folder.run(&["doctor"]);
    assert_eq!(unaccounted.code, 0, "{}", unaccounted.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_is_refused_and_says_what_to_give() {
    let folder = TestFolder::new();
    let (_up, _file) = with_users(&folder);
    let refused = |arguments: &[&str], code: i32, part: &str| {
        let ended = folder.run(arguments);
        assert!(ended.code == code && ended.stderr.contains(part), "{}", ended.stderr);
    };
    refused(&["rerun"], 2, "say whose work is done again");
    refused(&["cancel"], 2, "say which runs are canceled");
    refused(&["retry"], 2, "say who is tried again");
    refused(&["rerun", "--job", "mail"], 1, "there is no job mail");
    refused(&["rerun", "--job", "mails"], 1, "nothing that has ended is selected");
    refused(&["rerun", "--user", "bob"], 1, "nothing is on record of: bob");
    refused(&["rerun", "17"], 1, "there is no run 17");
    refused(&["cancel", "trigger:now"], 2, "nominal: expected a nominal time");
    refused(&["stop", "--purpose", "print"], 1, "no job in force is of the purpose print");
    refused(&["stop"], 2, "--all");
}
