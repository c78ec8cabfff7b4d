//! Waits for an operation while nobody else moves.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::Runtime;

/// Where connections of a ledger live that needs a runtime.
static OUTSIDE: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// Wakes the thread that waits.
struct Waiter(Thread);

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an operation while neither another task nor paused time moves: the ledger's threads
/// work by themselves.
pub(crate) fn at_once<T>(operation: impl Future<Output = T>) -> T {
    let _outside = OUTSIDE.enter();
    // Nobody is there to make way for.
    let mut operation = pin!(tokio::task::unconstrained(operation));
    let waker = Waker::from(Arc::new(Waiter(thread::current())));
    loop {
        match operation.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(returned) => return returned,
            Poll::Pending => thread::park(),
        }
    }
}
