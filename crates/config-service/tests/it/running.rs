//! The service on a real listener.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use crate::Fixture;

/// Says that a request has reached the service.
async fn announce(State(arrived): State<Arc<Notify>>, request: Request, next: Next) -> Response {
    arrived.notify_one();
    next.run(request).await
}

#[tokio::test]
async fn a_graceful_shutdown_is_not_held_up_by_a_waiting_poll() {
    let fixture = Fixture::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let arrived = Arc::new(Notify::new());
    let service = fixture.service.clone();
    let router = fixture
        .router
        .clone()
        .layer(middleware::from_fn_with_state(Arc::clone(&arrived), announce));
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        stopped.await.expect("the test says when");
        service.shutdown();
    });
    let server = tokio::spawn(server.into_future());
    let mut poll = TcpStream::connect(address).await.expect("connects");
    let request = format!(
        "GET /api/v1/preferences/changes?wait=30 HTTP/1.1\r\nhost: test\r\nauthorization: Bearer \
         {}\r\n\r\n",
        fixture.key
    );
    poll.write_all(request.as_bytes()).await.expect("sends");
    arrived.notified().await;
    stop.send(()).expect("the server runs");
    let ended = tokio::time::timeout(Duration::from_secs(20), server).await;
    ended.expect("long before the wait is over").expect("no panic").expect("serves");
    let mut answer = Vec::new();
    poll.read_to_end(&mut answer).await.expect("reads");
    assert!(Bytes::from(answer).starts_with(b"HTTP/1.1 200"));
}
