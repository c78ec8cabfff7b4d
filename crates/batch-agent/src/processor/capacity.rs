//! How many users may be called at once, by the agent and by each purpose (D3).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::jobs::Purpose;

/// What one agent may call at once.
pub(super) struct Capacity {
    /// One permit a user who may be called and not yet answered.
    calls: Arc<Semaphore>,
    most: usize,
}

/// Permission to call some users, until it is dropped.
pub(super) struct Permits {
    _of_purpose: OwnedSemaphorePermit,
    _of_agent: OwnedSemaphorePermit,
}

impl Capacity {
    /// Capacity for calling so many users at once.
    pub(super) fn of(users: usize) -> Self {
        Self { calls: Arc::new(Semaphore::new(users)), most: users }
    }

    /// How many users are called and not yet answered.
    pub(super) fn in_flight(&self) -> usize {
        self.most - self.calls.available_permits()
    }

    /// How many calls of so many users there may be at once for a purpose.
    pub(super) fn calls_at_once(&self, purpose: &Purpose, users: usize) -> usize {
        self.most.min(purpose.max_concurrency).div_ceil(users.max(1))
    }

    /// Returns once so many users may be called for a purpose. First come the purpose's permits,
    /// then the agent's, always in this order, so that no two calls wait for each other.
    pub(super) async fn acquire(&self, purpose: &Purpose, users: usize) -> Permits {
        Permits {
            _of_purpose: acquire(&purpose.calls, users.min(purpose.max_concurrency)).await,
            _of_agent: acquire(&self.calls, users.min(self.most)).await,
        }
    }
}

async fn acquire(calls: &Arc<Semaphore>, users: usize) -> OwnedSemaphorePermit {
    let permits = Arc::clone(calls).acquire_many_owned(users as u32).await;
    permits.expect("the semaphores are never closed")
}
