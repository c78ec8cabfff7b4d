//! A `cohort up` without work in hand ends promptly, whatever its clients do.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::serving::Up;
use crate::wrong_start::{BATCH_CONFIG, Config};

/// Far less than the 30 seconds that a long poll may wait, and far more than an idle service needs
/// to end.
const PROMPTLY: Duration = Duration::from_secs(15);

#[test]
fn an_idle_service_ends_promptly_with_0() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ended, took) = Up::start(folder.path(), &[], &[]).terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took < PROMPTLY, "{took:?}");
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_poll_is_answered_when_the_service_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::new(BATCH_CONFIG, "hello");
    let up =
        Up::start(folder.path(), &["--batch-config", config.file.to_str().expect("text")], &[]);
    let rest = up.rest();
    let poll = tokio::spawn({
        let rest = rest.clone();
        async move { rest.get("/preferences/changes?since_id=now&wait=30").await }
    });
    // Connections are taken in order, so that the poll is there when these are answered.
    for _ in 0..5 {
        tokio::task::yield_now().await;
        assert_eq!(rest.get("/runs").await.status, 200);
    }
    assert!(!poll.is_finished());
    let (ended, took) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took < PROMPTLY, "{took:?}");
    let answer = poll.await.expect("no panic");
    assert_eq!((answer.status, &answer.json()["changes"]), (200, &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_half_a_request_does_not_keep_the_service_from_ending() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let head = format!(
        "PUT /api/v1/tenants/ann/preferences/posts HTTP/1.1\r\nhost: test\r\n\
         authorization: Bearer {}\r\n",
        up.key()
    );
    let half_a_body = format!("{head}content-length: 100\r\n\r\n{{");
    let mut clients = Vec::new();
    for half in [head, half_a_body] {
        let mut client = tokio::net::TcpStream::connect(up.address()).await.expect("connects");
        client.write_all(half.as_bytes()).await.expect("sent");
        clients.push(client);
    }
    let rest = up.rest();
    for _ in 0..5 {
        assert_eq!(rest.get("/runs").await.status, 200);
    }
    let (ended, took) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took < PROMPTLY, "{took:?}");
}
