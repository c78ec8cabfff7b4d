//! Users who are still open in an earlier run of the job when a later one comes to them (F10).
//!
//! This is decided for each user at each attempt. A user who is open in one earlier run waits in
//! the later one and is looked at again after a pause, while the rest of the chunk goes on. A user
//! who is open in two, of which one waits already, is skipped. A run that is caught up on skips
//! nobody: the runs that were missed together are fired one after the other (F1). Nor does a rerun,
//! which an operator has asked for (D13).

use std::collections::HashMap;

use cohort_ledger::Run;
use jiff::SignedDuration;

use crate::schedules::ON_TIME;

/// How long a user waits until the earlier run is looked at again.
pub(super) const PAUSE_OF_OVERLAP: SignedDuration = SignedDuration::from_secs(15);

/// In how many earlier runs users are still open.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
    pub(super) earlier: HashMap<u64, usize>,
    /// Whether the run at hand waits for earlier ones, however many there are.
    pub(super) skips_nobody: bool,
}

/// Whether a run was opened late, to catch up on an occurrence, or is a rerun.
pub(super) fn skips_nobody(run: &Run) -> bool {
    let is_caught_up = run.opened_at.duration_since(run.occurrence.at) > ON_TIME;
    is_caught_up || run.occurrence.nominal.is_rerun()
}

impl Overlaps {
    /// Whether the user is skipped, since an earlier run waits already.
    pub(super) fn skip(&self, number: u64) -> bool {
        !self.skips_nobody && self.earlier_runs(number) > 1
    }

    /// Whether the user waits for the earlier run to end.
    pub(super) fn hold(&self, number: u64) -> bool {
        self.earlier_runs(number) > 0 && !self.skip(number)
    }

    fn earlier_runs(&self, number: u64) -> usize {
        self.earlier.get(&number).copied().unwrap_or_default()
    }
}
