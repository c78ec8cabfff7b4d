//! Users who are still open in an earlier run of the job when a later one comes to them (F10).
//!
//! Decided per user at claim: who is open in one earlier run waits in the later one, and is looked
//! at again after a pause, while the rest of the chunk goes; who is open in two, so that one waits
//! already, is skipped. A run that is caught up on skips nobody: it and its like were missed
//! together, and each is fired after the other (F1).

use std::collections::HashMap;

use jiff::SignedDuration;

use super::{Claimed, Inner};
use crate::schedules::ON_TIME;
use cohort_ledger::LedgerError;

/// How long a user waits before it is asked again whether the earlier run has ended for them.
pub(super) const PAUSE_OF_OVERLAP: SignedDuration = SignedDuration::from_secs(15);

/// In how many earlier runs users are still open.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
    earlier: HashMap<u64, usize>,
    is_caught_up: bool,
}

impl Inner {
    /// The overlaps of these users of a run.
    pub(super) async fn overlaps(
        &self,
        claimed: &Claimed,
        numbers: Vec<u64>,
    ) -> Result<Overlaps, LedgerError> {
        if numbers.is_empty() || !self.other_runs(claimed).await?.is_earlier_open {
            return Ok(Overlaps::default());
        }
        let run = &claimed.run;
        let is_caught_up = run.opened_at.duration_since(run.occurrence.at) > ON_TIME;
        Ok(Overlaps { earlier: self.ledger.open_earlier(run, numbers).await?, is_caught_up })
    }
}

impl Overlaps {
    /// Whether the user gives this run up, since one waits already.
    pub(super) fn skip(&self, number: u64) -> bool {
        !self.is_caught_up && self.earlier_runs(number) > 1
    }

    /// Whether the user waits for the earlier run to end.
    pub(super) fn hold(&self, number: u64) -> bool {
        self.earlier_runs(number) > 0 && !self.skip(number)
    }

    fn earlier_runs(&self, number: u64) -> usize {
        self.earlier.get(&number).copied().unwrap_or_default()
    }
}
