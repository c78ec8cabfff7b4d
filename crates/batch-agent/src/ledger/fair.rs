//! Fair shares: the users of a run wait in the ledger, in the order in which those of each label's value are served in turn (D7).
//!
//! ```text
//! value a: ▣▣▣▣▣▣▣▣     turns 1 2 3 4 5 6 7 8
//! value b: ▣▣           turns 1 2                 claimed: a b a b a a a a a a
//! ```
//!
//! Each chunk has the users of one value, and a turn: one more than the last of its value, but never less than that of the chunk
//! that waits at the front. So a value that comes late begins at the front, one that was away saves nothing up, and what is claimed
//! by turn gives each value that waits as many chunks as any other (start-time fair queueing). Turns are counted by priority and job.
//!
//! A chunk that is tried again leaves the queue: it has had its turn.

use async_trait::async_trait;

use super::{LedgerError, MembersRead};

/// A page of members that wait for their turns.
#[derive(Debug)]
pub struct MembersQueued<'a> {
    /// The page; nobody holds its chunks.
    pub read: MembersRead<'a>,
    /// The value by which each member is served, in the order of the members; who has none is of the empty one.
    pub values: Vec<String>,
}

/// Where members wait for their turns.
#[async_trait]
pub trait FairLedger {
    /// Puts a page of members into chunks of one value each that wait for their turns; `false` if another agent has read the page.
    async fn queue_members(&self, page: MembersQueued<'_>) -> Result<bool, LedgerError>;
}

/// Members of one value, in the order in which the values first appear; those of a value stay in theirs.
pub(super) fn by_value<M>(members: Vec<M>, values: Vec<String>) -> Vec<(String, Vec<M>)> {
    let mut places = std::collections::HashMap::new();
    let mut parts: Vec<(String, Vec<M>)> = Vec::new();
    for (member, value) in members.into_iter().zip(values) {
        let place = *places.entry(value).or_insert_with_key(|value| {
            parts.push((value.clone(), Vec::new()));
            parts.len() - 1
        });
        parts[place].1.push(member);
    }
    parts
}
