//! kill -9 in the middle of a run leaves one outcome per user and occurrence (D1, D2, D3).

use std::time::Duration;

use cohort_batch_agent::SystemClock;
use cohort_config_client::ImportStatus;
use cohort_preferences::Clock;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::due_folder::{AT_ONCE, Folder, line};
use crate::lives::{Endpoint, check_calls, finish, kill};
use crate::program::cohort;
use crate::serving::{PATIENCE, Rest, Up};

#[tokio::test(flavor = "multi_thread")]
async fn users_whose_calls_were_cut_off_are_called_again_with_the_same_key_and_nobody_else_is() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(200, "individual_batch", &url).await;

    // Nothing has been answered yet.
    let life = endpoint.begin(0);
    let up = folder.start();
    life.until_called(AT_ONCE).await;
    let first = kill(&folder, up, life);
    assert_eq!(first.recorded.len(), 0);
    assert_eq!(first.life.times_called().len(), AT_ONCE);

    // Some have been answered: of those calls, 75 must be over for as many as this to arrive.
    let life = endpoint.begin(75);
    let up = folder.start();
    life.until_called(75 + AT_ONCE).await;
    let second = kill(&folder, up, life);
    assert!(second.recorded.len() <= 75);

    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[first, second], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_were_cut_off_are_done_again_and_those_recorded_are_not() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(200, "batch_as_object", &url).await;

    let life = endpoint.begin(3);
    let up = folder.start();
    life.until_called(4).await;
    let first = kill(&folder, up, life);
    assert!(first.life.calls().iter().all(|call| call.kind == "cohort.chunk.v1"));
    assert!(first.recorded.len() <= 75);

    // Killed with the last answers on their way.
    let life = endpoint.begin(2);
    let up = folder.start();
    life.until_called(3).await;
    let second = kill(&folder, up, life);
    assert!(second.recorded.len() >= first.recorded.len());

    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[first, second], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_again_and_again_at_full_speed_ends_with_one_outcome_each() {
    let (endpoint, url) = Endpoint::serve().await;
    // More than a page of members, so that the first kill falls into the reading.
    let folder = Folder::with_users(2_400, "batch_as_object", &url).await;
    let mut killed = Vec::new();
    for calls in [0, 0, 1, 2, 7, 20] {
        let life = endpoint.begin(Semaphore::MAX_PERMITS);
        let up = folder.start();
        life.until_called(calls).await;
        killed.push(kill(&folder, up, life));
    }
    assert!(killed.last().expect("six").recorded.len() < 2_400, "it was killed in the middle");
    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &killed, &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_disabled_while_the_service_was_dead_is_not_called_again() {
    let (endpoint, url) = Endpoint::serve().await;
    let mut folder = Folder::with_users(60, "individual_batch", &url).await;
    let life = endpoint.begin(0);
    let up = folder.start();
    life.until_called(AT_ONCE).await;
    let killed = kill(&folder, up, life);

    let called = killed.life.calls()[0].users[0].0.clone();
    let times = killed.life.times_called();
    let waiting = folder
        .expected()
        .keys()
        .find(|tenant| !times.contains_key(*tenant))
        .expect("35 of them")
        .clone();
    let line = |tenant| {
        json!({"tenant_id": tenant, "feature_type": "posts", "preference": {"enabled": false}})
            .to_string()
    };
    let lines = [&called, &waiting].map(line).join("\n");
    assert_eq!(
        cohort(&["import", "-", "--data", folder.data().to_str().expect("text")], &lines).code,
        0
    );

    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    let up = folder.start();
    let rest = up.rest();
    for tenant in [called, waiting] {
        let outcomes = until_listed(&rest, &format!("/outcomes?tenant={tenant}"), 1).await;
        assert_eq!(
            (&outcomes[0]["status"], &outcomes[0]["reason"]),
            (&json!("skipped"), &json!("disabled")),
            "{outcomes:?}"
        );
        assert!(!last.times_called().contains_key(&tenant), "{tenant} was called");
        folder.forget(&tenant);
    }
    let outcomes = until_listed(&rest, "/outcomes?status=succeeded", folder.expected().len()).await;
    assert_eq!(outcomes.len(), 58);
    assert_eq!(rest.outcomes().await.len(), 60);
}

/// The outcomes that this path lists, once they are so many.
async fn until_listed(rest: &Rest, path: &str, count: usize) -> Vec<Value> {
    let listed = async {
        loop {
            let outcomes =
                rest.get(path).await.json()["outcomes"].as_array().expect("a list").clone();
            if outcomes.len() >= count {
                return outcomes;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, listed)
        .await
        .unwrap_or_else(|_| panic!("{path} does not list {count} outcomes"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_an_import_that_was_called_stored_outlives_the_kill() {
    const LINES: usize = 6_000;
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let due = SystemClock.now();
    let lines: String = (0..LINES).map(|number| line(number, due)).collect();
    let mut results = Box::pin(
        up.client().import(std::io::Cursor::new(lines.clone().into_bytes())).await.expect("taken"),
    );
    let mut stored = 0;
    while stored < 700 {
        let result = results.try_next().await.expect("it is alive").expect("there are more");
        assert_eq!(result.status, ImportStatus::Stored);
        stored += 1;
    }
    up.kill();
    while let Ok(Some(_)) = results.try_next().await {
        stored += 1;
    }

    let up = Up::start(folder.path(), &[], &[]);
    let again = up.client().import(std::io::Cursor::new(lines.into_bytes())).await.expect("taken");
    let again: Vec<_> = again.try_collect().await.expect("answered");
    let unchanged =
        again.iter().take_while(|result| result.status == ImportStatus::Unchanged).count();
    assert!(unchanged >= stored, "{stored} were called stored, {unchanged} are there");
    assert!(
        again[unchanged..].iter().all(|result| result.status == ImportStatus::Stored),
        "nothing behind a gap"
    );
    let groups = up.client().get_frequency_groups("posts").await.expect("listed");
    assert_eq!(groups.groups.iter().map(|group| group.count).sum::<u64>(), LINES as u64);
}
