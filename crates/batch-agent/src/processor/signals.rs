//! What the loops of one processor tell each other.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Whether the processor works, whether it is to stop, and whether there may be something to claim.
#[derive(Default)]
pub(super) struct Signals {
    /// Told when there may be something to claim.
    wake: Notify,
    /// Canceled once no calls are begun any more (F6).
    stopping: CancellationToken,
    /// Whether `run` claims and processes.
    is_at_work: AtomicBool,
}

impl Signals {
    /// Says that there may be something to claim.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns once there may be something to claim.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Says that `run` claims and processes from now on.
    pub(super) fn begin(&self) {
        self.is_at_work.store(true, Ordering::Relaxed);
    }

    /// Says that no claims are made and no calls are begun any more.
    pub(super) fn stop(&self) {
        self.is_at_work.store(false, Ordering::Relaxed);
        self.stopping.cancel();
    }

    /// Whether `run` claims and processes.
    pub(super) fn is_at_work(&self) -> bool {
        self.is_at_work.load(Ordering::Relaxed)
    }

    /// Whether no calls are begun any more (F6).
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Returns once no calls are begun any more (F6).
    pub(super) async fn until_stopping(&self) {
        self.stopping.cancelled().await;
    }
}
