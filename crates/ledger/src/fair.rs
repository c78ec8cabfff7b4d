//! Fair shares (D7): the users of a run wait in the ledger, in an order in which each value of a
//! label is served in turn.
//!
//! ```text
//! value a: ▣▣▣▣▣▣▣▣     turns 1 2 3 4 5 6 7 8
//! value b: ▣▣           turns 1 2                 claimed: a b a b a a a a a a
//! ```
//!
//! Each chunk has users of one value only, and a turn: one more than the last turn of its value,
//! but never less than that of the chunk at the front of the queue. A value that comes late
//! therefore begins at the front, a value that was away saves nothing up, and claims in the order
//! of turns give each value that waits as many chunks as any other (start-time fair queueing).
//! Turns are counted per lane.
//!
//! A chunk that is tried again has had its turn, and leaves the queue.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::sealed::Sealed;
use crate::{LedgerError, MembersRead};

/// A page of members that wait for their turns.
#[derive(Debug)]
pub struct MembersQueued<'a> {
    /// The page; nobody holds its chunks.
    pub read: MembersRead<'a>,
    /// The value by which each member is served, in the order of the members; it is empty for a
    /// member who has none.
    pub values: Vec<String>,
}

/// The part of the ledger in which members wait for their turns.
#[async_trait]
pub trait FairLedger: Sealed {
    /// Puts a page of members into chunks that have users of one value each and wait for their
    /// turns. Returns `false` if another agent has read the page already.
    async fn queue_members(&self, page: MembersQueued<'_>) -> Result<bool, LedgerError>;
}

/// Groups members by their values, in the order in which the values first appear.
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
