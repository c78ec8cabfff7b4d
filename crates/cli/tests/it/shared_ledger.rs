//! Two agents on one ledger in PostgreSQL, one of which goes away.
//!
//! Planted, and red: a lease is too short.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cohort_database::testing::fresh_postgres;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::apart::{Apart, Calls, until, until_ready, until_scheduled, until_within};
use crate::due_folder::text;

/// Users of a run that two agents share.
const SHARED: u64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_share_one_ledger_on_postgres_and_one_that_stops_leaves_its_work_to_the_other() {
    let (calls, endpoint) = Calls::endpoint().await;
    let (apart, database) = (Apart::with_endpoint(&endpoint), fresh_postgres());
    // With `_ledger` behind it the whole name would be too long for a schema.
    let (key, name) = (apart.agent_key().await.1, &database.schema.as_str()[..30]);
    for number in 0..SHARED {
        apart
            .set(
                &format!("user-{number}"),
                &json!({"frequency": "daily", "preferred_time": "09:00"}),
            )
            .await;
    }
    let [one, other] = [(); 2].map(|()| apart.agent_on(&database.url, name, &key));
    until_scheduled(&one.rest(), &[("09:00", SHARED)]).await;
    until_scheduled(&other.rest(), &[("09:00", SHARED)]).await;
    let triggered = one.rest().post("/jobs/posts_job/trigger", json!({})).await;
    assert_eq!(triggered.status, 200, "{}", triggered.text);
    until("some of it is done", async || !calls.times().is_empty()).await;
    let (ended, _) = one.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rest = other.rest();
    until("every user has an outcome", async || rest.outcomes().await.len() as u64 == SHARED).await;
    assert!(rest.outcomes().await.iter().all(|outcome| outcome["status"] == "succeeded"));
    assert_eq!(
        (calls.times().len() as u64, calls.times().values().max()),
        (SHARED, Some(&1)),
        "each key is called once"
    );
}

/// What is left of a lease at least, since it is renewed in time (F3).
const LEAST_LEFT: Duration = Duration::from_secs(10);

/// The lease of a claim, and as much again.
const LEASE_AND_MORE: Duration = Duration::from_mins(2);

/// All of what it had in hand is still claimed when it dies: nobody else touches that before the
/// lease has run out.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_on_postgres_leaves_its_work_to_the_other_once_its_lease_has_run_out() {
    let (calls, endpoint) = Calls::endpoint_that_answers(100).await;
    let (apart, database) = (Apart::with_endpoint(&endpoint), fresh_postgres());
    let (key, name) = (apart.agent_key().await.1, &database.schema.as_str()[..30]);
    for number in 0..SHARED {
        apart
            .set(
                &format!("user-{number}"),
                &json!({"frequency": "daily", "preferred_time": "09:00"}),
            )
            .await;
    }
    let one = apart.agent_on(&database.url, name, &key);
    until_scheduled(&one.rest(), &[("09:00", SHARED)]).await;
    let triggered = one.rest().post("/jobs/posts_job/trigger", json!({})).await;
    assert_eq!(triggered.status, 200, "{}", triggered.text);
    until("some of it is done, and as much in hand as goes", async || calls.times().len() == 125)
        .await;
    let other = apart.agent_on(&database.url, name, &key);
    until_ready(&other).await;
    let rest = other.rest();
    let keys = |outcomes: &[Value]| -> Vec<String> {
        outcomes.iter().map(|outcome| text(outcome, "key")).collect()
    };
    let recorded = keys(&rest.outcomes().await);
    let killed_at = Instant::now();
    one.kill();
    calls.answers.add_permits(Semaphore::MAX_PERMITS / 2);

    let all = async || rest.outcomes().await.len() as u64 == SHARED;
    until_within(LEASE_AND_MORE, "every user has an outcome", all).await;
    println!(
        "the rest of {SHARED} was done {:?} after the kill, {} before",
        killed_at.elapsed(),
        recorded.len()
    );
    assert!(killed_at.elapsed() > LEAST_LEFT, "nobody else touches what is claimed");
    let outcomes = rest.outcomes().await;
    assert!(outcomes.iter().all(|outcome| outcome["status"] == "succeeded"));
    assert_eq!(
        keys(&outcomes).into_iter().collect::<BTreeSet<_>>(),
        calls.times().into_keys().collect(),
        "one outcome each"
    );
    let times = calls.times();
    assert!(recorded.iter().all(|key| times[key] == 1), "what was recorded is not done again");
    assert!(times.values().all(|times| *times <= 2), "what was cut off is done once more");
}
