//! API keys (W4): who is let in, and how often each key was used.
//!
//! Keys are kept in memory once they were looked up, so that a request costs no read of the
//! database. When the store reports that keys may have changed, here or in another process, all of
//! them are dropped: a revoked key is refused at once. Each request compares the key's expiry with
//! the clock.
//!
//! Uses are counted in memory and written together, at most once a second and when the service
//! closes; no request waits for it. A process that is killed loses the counts of its last second.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use tokio::sync::watch;

use super::rate::RequestRate;
use crate::key::{ApiKey, KeyHash, KeyUse};

/// What is kept in memory to authenticate requests.
pub(super) struct Admission {
    /// Changes whenever the known keys may be out of date.
    changes: watch::Receiver<u64>,
    known: Mutex<Known>,
    uses: Mutex<HashMap<u64, KeyUse>>,
    pub(super) rate: RequestRate,
}

/// The keys that were looked up since keys last changed.
#[derive(Default)]
pub(super) struct Known {
    pub(super) as_of: u64,
    pub(super) keys: HashMap<KeyHash, ApiKey>,
}

impl Admission {
    pub(super) fn new(
        changes: watch::Receiver<u64>,
        requests_per_second: Option<NonZeroU32>,
    ) -> Self {
        Self {
            changes,
            known: Mutex::default(),
            uses: Mutex::default(),
            rate: RequestRate::of(requests_per_second),
        }
    }

    /// Returns the keys that are known, after dropping them if keys have changed since.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().expect("nobody panics while holding the keys");
        let as_of = *self.changes.borrow();
        if known.as_of != as_of {
            *known = Known { as_of, keys: HashMap::new() };
        }
        known
    }

    /// Keeps a key that was read as of this change, unless keys have changed again since.
    pub(super) fn keep(&self, as_of: u64, hash: KeyHash, key: &ApiKey) {
        let mut known = self.known();
        if known.as_of == as_of {
            known.keys.insert(hash, key.clone());
        }
    }

    pub(super) fn count_use(&self, key: &ApiKey, now: Timestamp) {
        let mut uses = self.uses();
        let used = uses.entry(key.id).or_insert(KeyUse { id: key.id, last_used_at: now, uses: 0 });
        used.uses += 1;
        used.last_used_at = used.last_used_at.max(now);
    }

    pub(super) fn uses(&self) -> MutexGuard<'_, HashMap<u64, KeyUse>> {
        self.uses.lock().expect("nobody panics while counting")
    }
}
