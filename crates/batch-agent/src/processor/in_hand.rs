//! The chunks that this agent works on: their claims are renewed while they are in hand, and they
//! bound how much more is claimed (F3, D7).
//!
//! A chunk is in hand from when it is noted until its [`InWork`] is dropped, however the work ends.
//! What may fail: a renewal, then the claim runs out by this agent's own clock, which calls nobody
//! for it any more; another agent rescues it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cohort_ledger::{Chunk, Claim, Ledger, LedgerError};
use jiff::Timestamp;

use super::claimed::{CLAIM_USERS, Claimed};
use crate::clock::AgentClock;

/// Users of claims held at once: as many in work as are being read (D7).
const USERS_HELD: usize = 2 * CLAIM_USERS;

/// A claim of a chunk: the chunk's number and the claim's token.
type Name = (i64, i64);

/// The chunks in work.
pub(super) struct InHand {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    held: Mutex<HashMap<Name, Held>>,
}

/// What is noted of a chunk in work.
struct Held {
    users: usize,
    is_suspect: bool,
    lease_until: Timestamp,
}

/// A chunk in work, until this is dropped.
pub(super) struct InWork<'a> {
    in_hand: &'a InHand,
    name: Name,
}

impl InHand {
    pub(super) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn AgentClock>) -> Self {
        Self { ledger, clock, held: Mutex::default() }
    }

    /// Notes chunks that are worked on from now on.
    pub(super) fn note(&self, claimed: &[Claimed]) {
        let held = |Claimed { chunk, lease_until, .. }: &Claimed| {
            let held = Held {
                users: chunk.open.len(),
                is_suspect: chunk.is_suspect(),
                lease_until: *lease_until,
            };
            (name_of(chunk), held)
        };
        self.lock().extend(claimed.iter().map(held));
    }

    /// Keeps a noted chunk in work until the result is dropped.
    pub(super) fn until_dropped(&self, chunk: &Chunk) -> InWork<'_> {
        InWork { in_hand: self, name: name_of(chunk) }
    }

    /// Whether nothing is in work.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether there is room for one more claim (D7).
    pub(super) fn has_room(&self) -> bool {
        let users: usize = self.lock().values().map(|held| held.users).sum();
        users + CLAIM_USERS <= USERS_HELD
    }

    /// Whether a suspect is in work (D5).
    pub(super) fn has_suspect(&self) -> bool {
        self.lock().values().any(|held| held.is_suspect)
    }

    /// Whether the claim of a chunk in work still holds by this agent's clock; otherwise another
    /// agent may have it (F3).
    pub(super) fn holds(&self, chunk: &Chunk) -> bool {
        let now = self.clock.now();
        self.lock().get(&name_of(chunk)).is_some_and(|held| now <= held.lease_until)
    }

    /// Extends the claims of the chunks in work to the end of this one, except for those that have
    /// run out.
    pub(super) async fn renew(&self, claim: Claim) -> Result<(), LedgerError> {
        let lease_until = claim.lease_until;
        let lasting: Vec<Name> = self
            .lock()
            .iter()
            .filter(|(_, held)| claim.at <= held.lease_until)
            .map(|(name, _)| *name)
            .collect();
        self.ledger.renew_claims(claim, lasting.iter().map(|(chunk, _)| *chunk).collect()).await?;
        let mut held = self.lock();
        for name in lasting {
            if let Some(held) = held.get_mut(&name) {
                held.lease_until = lease_until;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Held>> {
        self.held.lock().expect("the map is changed by code that does not panic")
    }
}

fn name_of(chunk: &Chunk) -> Name {
    (chunk.id, chunk.token)
}

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        self.in_hand.lock().remove(&self.name);
    }
}
