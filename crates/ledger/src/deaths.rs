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
//! A death is counted on every chunk that the worker held, since nobody knows which of them was to
//! blame. From its first death on a chunk is a suspect, and an agent holds one suspect at a time:
//! the second and the third death therefore meet only the chunk, and later the user, that is there
//! each time. A chunk that merely happened to be near is done once it is tried alone. A holder that
//! hands its work back does not count as dead (F6).

use async_trait::async_trait;
use jiff::Timestamp;

use crate::sealed::Sealed;
use crate::{Chunk, LedgerError};

/// The number of deaths after which a chunk is split, and a user who is alone in it is poison.
pub(crate) const MOST_DEATHS: u32 = 3;

/// What is to be done with a chunk that was claimed, by the deaths of its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is worked on.
    Attempt,
    /// It becomes a chunk for each of its open members.
    Split,
    /// Its one user fails, without another attempt.
    Poison,
}

impl Chunk {
    /// Returns what is to be done with it, by the deaths of its workers.
    pub fn treatment(&self) -> Treatment {
        match self.open.len() {
            _ if self.deaths < MOST_DEATHS => Treatment::Attempt,
            0 | 1 => Treatment::Poison,
            _ => Treatment::Split,
        }
    }

    /// Whether a worker has died with it.
    pub fn is_suspect(&self) -> bool {
        self.deaths > 0
    }

    /// The number of the chunk in which its members were first: a chunk that was split off is as
    /// old as the one that it came from (M6).
    pub fn first_made_as(&self) -> i64 {
        self.split_from.unwrap_or(self.id)
    }
}

/// The part of the ledger that deals with work whose holder has died.
#[async_trait]
pub trait RescueLedger: Sealed {
    /// Makes chunks ready whose lease has run out, and counts one more death on each. Returns how
    /// many.
    async fn rescue_chunks(&self, now: Timestamp) -> Result<usize, LedgerError>;

    /// Makes every chunk ready that this holder had claimed when it died, and counts one more death
    /// on each. Returns how many.
    async fn take_back_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError>;

    /// Makes a ready chunk for each open member of this one, and marks this one done.
    ///
    /// # Errors
    /// [`LedgerError::LostClaim`] if the claim has passed on.
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
                repeats: None,
                failures: 0,
                failed: None,
                not_before: None,
            })
            .collect();
        Chunk { id: 7, run: RunId(1), open, attempts: 0, token: 1, deaths, split_from: None }
    }

    #[test]
    fn the_third_death_splits_a_chunk_and_condemns_a_user() {
        assert_eq!(
            [0, 1, 2, 3, 4].map(|deaths| chunk(deaths, 25).treatment()),
            [
                Treatment::Attempt,
                Treatment::Attempt,
                Treatment::Attempt,
                Treatment::Split,
                Treatment::Split
            ]
        );
        assert_eq!(
            [2, 3, 4].map(|deaths| chunk(deaths, 1).treatment()),
            [Treatment::Attempt, Treatment::Poison, Treatment::Poison]
        );
    }
}
