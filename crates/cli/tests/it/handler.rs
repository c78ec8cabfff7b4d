//! Endpoints that a test serves itself, and what it counts at them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::MethodRouter;
use tokio::sync::watch;

/// Serves these routes at a free port of loopback, and returns where.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Serves the handler of a purpose, and returns its URL.
pub(crate) async fn serve_work(work: MethodRouter) -> String {
    format!("http://{}/work", serve(Router::new().route("/work", work)).await)
}

/// The calls that have arrived.
#[derive(Default)]
pub(crate) struct Arrivals(watch::Sender<usize>);

impl Arrivals {
    /// Counts one more.
    pub(crate) fn count(&self) {
        self.0.send_modify(|calls| *calls += 1);
    }

    /// Returns how many there are.
    pub(crate) fn so_far(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until there are so many.
    pub(crate) async fn until(&self, calls: usize, patience: Duration) {
        let mut arrived = self.0.subscribe();
        let reached = arrived.wait_for(|arrived| *arrived >= calls);
        let in_time = tokio::time::timeout(patience, reached).await.is_ok();
        assert!(in_time, "only {} of {calls} calls have arrived", self.so_far());
    }
}

/// Users that are called and not yet answered.
#[derive(Default)]
pub(crate) struct InFlight {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Some of them; no longer when it is dropped, as it is when the caller goes away.
pub(crate) struct Open(Arc<InFlight>, usize);

impl InFlight {
    /// Adds so many users.
    pub(crate) fn begin(self: &Arc<Self>, users: usize) -> Open {
        let now = self.now.fetch_add(users, Ordering::SeqCst) + users;
        self.most.fetch_max(now, Ordering::SeqCst);
        Open(Arc::clone(self), users)
    }

    /// Returns how many they were at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.now.fetch_sub(self.1, Ordering::SeqCst);
    }
}
