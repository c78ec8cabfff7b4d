//! What is logged on standard error where `COHORT_LOG` is not set, and where it is.

use crate::apart::Apart;
use crate::folder::LINES;
use crate::handler::serve;
use crate::program::cohort;
use crate::serving::Up;

#[test]
fn a_folder_that_is_served_logs_what_it_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Up::start(folder.path(), &[], &[]);
    up.until_logged(" INFO ");
    up.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_and_a_config_database_of_their_own_log_what_they_do() {
    let endpoint = serve(axum::Router::new()).await;
    let apart = Apart::with_endpoint(&format!("http://{endpoint}/work"));
    let mut agent = apart.agent(&apart.agent_key().await.1);
    tokio::task::block_in_place(|| agent.until_logged(" INFO "));
    let (ended, _) = apart.into_config().terminate();
    assert!(ended.stderr.contains(" INFO "), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_told_to_log_warnings_does_not_log_what_it_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ended, _) = Up::start(folder.path(), &[], &[("COHORT_LOG", "warn")]).terminate();
    assert!(!ended.stderr.contains(" INFO "), "{}", ended.stderr);
}

#[test]
fn a_command_that_ends_logs_only_what_goes_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("text");
    let ended = cohort(&["import", "-", "--data", data], LINES);
    assert!(!ended.stderr.contains(" INFO "), "{}", ended.stderr);
}
