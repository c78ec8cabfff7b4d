//! SIGTERM in the middle of a run: what is in hand is finished within the grace (F6).

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::due_folder::{AT_ONCE, Folder};
use crate::lives::{Endpoint, Killed, check_calls, finish};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_asked_to_end_finishes_what_it_has_called_and_repeats_nothing() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(1_200, "individual_batch", &url).await;
    let life = endpoint.begin(0);
    let mut up = folder.start();
    life.until_called(AT_ONCE).await;
    up.ask_to_end();
    up.until_logged("stopping");
    life.answers.add_permits(Semaphore::MAX_PERMITS);
    let (ended, _) = up.ended();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let recorded = folder.recorded();
    assert!(recorded.len() >= AT_ONCE);
    assert_eq!(
        life.times_called().into_keys().collect::<BTreeSet<_>>(),
        recorded,
        "each call has its outcome"
    );
    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[Killed { life, recorded }], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_service_at_once_and_the_work_is_done_after_the_next_start() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(60, "individual_batch", &url).await;
    let life = endpoint.begin(0);
    let mut up = folder.start();
    life.until_called(AT_ONCE).await;
    up.ask_to_end();
    up.until_logged("stopping");
    up.ask_to_end();
    let (ended, took) = up.ended();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("stopped at once"), "{}", ended.stderr);
    assert!(took < Duration::from_secs(15), "{took:?}");
    let recorded = folder.recorded();
    assert!(recorded.is_empty());
    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[Killed { life, recorded }], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_answered_within_the_grace_is_handed_back_and_that_is_no_failure() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(60, "individual_batch", &url).await;
    let life = endpoint.begin(0);
    let mut up = folder.start_with(&[("COHORT_SHUTDOWN_GRACE", "200ms")]);
    life.until_called(AT_ONCE).await;
    up.ask_to_end();
    up.until_logged("handed back");
    let (ended, _) = up.ended();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let recorded = folder.recorded();
    assert!(recorded.is_empty());
    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[Killed { life, recorded }], &last);
}
