//! Chunks whose workers die, and the user who kills them (D5).
//!
//! ```text
//! claimed ──the lease runs out, or the holder was killed──► ready, deaths + 1
//!                                                             │ claimed for the fourth time
//!                                  ┌──────────────────────────┴───────────────┐
//!                     several open members                           one open member
//!                 split: a chunk for each of them                    failed(poison)
//! ```
//!
//! A death is counted on every chunk that was in hand, since nobody knows which of them was to
//! blame. But from its first on a chunk is a suspect, and an agent has one suspect in hand at a
//! time: the second and the third death meet the chunk, and later the user, that are there each
//! time. What was merely near ends in its turn. A holder that hands its work back counts as no
//! death (F6).

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Chunk, LedgerError};

/// After so many deaths a chunk is split, and a user is poison.
pub(crate) const MOST_DEATHS: u32 = 3;

/// What is to be done with a chunk that was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is worked on.
    Attempt,
    /// It becomes a chunk for each of its open members.
    Split,
    /// Its one user fails, without another attempt.
    Poison,
}

impl Chunk {
    /// What the deaths of its workers make of it.
    pub fn fate(&self) -> Fate {
        match self.open.len() {
            _ if self.deaths < MOST_DEATHS => Fate::Attempt,
            0 | 1 => Fate::Poison,
            _ => Fate::Split,
        }
    }

    /// Whether a worker has died with it.
    pub fn is_suspect(&self) -> bool {
        self.deaths > 0
    }

    /// The number of the chunk in which its members were first: what was made of it later is as old
    /// as that one (M6).
    pub fn first_made_as(&self) -> i64 {
        self.split_from.unwrap_or(self.id)
    }
}

/// The part of the ledger that deals with work whose holder has died.
#[async_trait]
pub trait RescueLedger: Send + Sync {
    /// Makes chunks ready whose lease has run out, one death more on each. Returns how many.
    async fn rescue_chunks(&self, now: Timestamp) -> Result<usize, LedgerError>;

    /// Makes every chunk ready that this holder had claimed when it died, one death more on each.
    /// Returns how many.
    async fn take_back_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError>;

    /// Makes a ready chunk for each open member of this one, which is done with that, if the claim
    /// still holds.
    async fn split_chunk(&self, chunk: &Chunk, now: Timestamp) -> Result<(), LedgerError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpenMember, RunId};

    fn chunk(deaths: u32, users: u64) -> Chunk {
        let open = (0..users)
            .map(|number| OpenMember {
                ordinal: number,
                number,
                attempts: 0,
                settings: None,
                requeued: None,
            })
            .collect();
        Chunk { id: 7, run: RunId(1), open, attempts: 0, token: 1, deaths, split_from: None }
    }

    #[test]
    fn the_third_death_splits_a_chunk_and_condemns_a_user() {
        assert_eq!(
            [0, 1, 2, 3, 4].map(|deaths| chunk(deaths, 25).fate()),
            [Fate::Attempt, Fate::Attempt, Fate::Attempt, Fate::Split, Fate::Split]
        );
        assert_eq!(
            [2, 3, 4].map(|deaths| chunk(deaths, 1).fate()),
            [Fate::Attempt, Fate::Poison, Fate::Poison]
        );
    }
}
