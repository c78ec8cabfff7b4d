//! Fair shares: the users of a run wait in the ledger, in the order in which those of each label's
//! value are served in turn (D7).
//!
//! ```text
//! value a: ▣▣▣▣▣▣▣▣     turns 1 2 3 4 5 6 7 8
//! value b: ▣▣           turns 1 2                 claimed: a b a b a a a a a a
//! ```
//!
//! Each chunk has the users of one value, and a turn: one more than the last of its value, but
//! never less than that of the chunk that waits at the front. So a value that comes late begins at
//! the front, one that was away saves nothing up, and what is claimed by turn gives each value that
//! waits as many chunks as any other (start-time fair queueing). StrideScheduler are counted by lane.
//!
//! A chunk that is tried again leaves the queue: it has had its turn.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::{LedgerError, MembersRead};

/// A page of members that wait for their turns.
#[derive(Debug)]
pub struct MembersQueued<'a> {
    /// The page; nobody holds its chunks.
    pub read: MembersRead<'a>,
    /// The value by which each member is served, in the order of the members; who has none is of
    /// the empty one.
    pub values: Vec<String>,
}

/// Where members wait for their turns.
#[async_trait]
pub trait FairLedger: Send + Sync {
    /// Puts a page of members into chunks of one value each that wait for their turns; `false` if
    /// another agent has read the page.
    async fn queue_members(&self, page: MembersQueued<'_>) -> Result<bool, LedgerError>;
}

/// Members by their values, in the order in which the values first appear.
pub(crate) fn by_value<'a, M>(
    members: &'a [M],
    values: &'a [String],
) -> Vec<(&'a str, Vec<&'a M>)> {
    let mut places = HashMap::new();
    let mut parts: Vec<(&str, Vec<&M>)> = Vec::new();
    for (member, value) in members.iter().zip(values) {
        let place = *places.entry(value).or_insert(parts.len());
        if place == parts.len() {
            parts.push((value, Vec::new()));
        }
        parts[place].1.push(member);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_parted_by_their_values_and_stay_in_order() {
        let values = ["b", "a", "b", "", "a"].map(str::to_owned);
        assert_eq!(
            by_value(&[1, 2, 3, 4, 5], &values),
            [("b", vec![&1, &3]), ("a", vec![&2, &5]), ("", vec![&4])]
        );
    }
}
