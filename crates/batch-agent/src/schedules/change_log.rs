//! The log of who has changed: it tells the processor whose settings to read again (M3).

use std::collections::{HashSet, VecDeque};

use cohort_preferences::{Change, ChangeKind, FeatureType, TenantId};
use jiff::Timestamp;

/// The most changes that the log holds.
const LENGTH: usize = 100_000;

/// Who changed for which feature, as far back as it is kept.
#[derive(Default)]
pub(super) struct ChangeLog {
    entries: VecDeque<(FeatureType, TenantId)>,
    /// The number of the first entry; numbers are never reused.
    start: u64,
}

/// A position in the change feed's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPosition {
    /// The number of the entry that would come next.
    entry: u64,
    /// When it was the log's end.
    pub(crate) at: Timestamp,
}

/// Who has changed since a position in the log.
#[derive(Debug)]
pub(crate) enum ChangedSince {
    /// Only these.
    Only(HashSet<TenantId>),
    /// Maybe everybody: the log does not reach back so far.
    MaybeAll,
}

impl ChangeLog {
    /// Notes who changed. A change without a name, as of a user who was erased (W8), may be
    /// anybody's.
    pub(super) fn note(&mut self, change: &Change) {
        match (&change.tenant_id, change.kind) {
            (Some(tenant), _) => {
                self.entries.push_back((change.feature_type.clone(), tenant.clone()));
            }
            (None, ChangeKind::Defaults) => {}
            (None, ChangeKind::Set | ChangeKind::Deleted) => self.forget(),
        }
        if self.entries.len() > LENGTH {
            self.entries.pop_front();
            self.start += 1;
        }
    }

    /// Forgets everything: since any earlier position, everybody may have changed.
    pub(super) fn forget(&mut self) {
        self.start += self.entries.len() as u64 + 1;
        self.entries.clear();
    }

    /// The log's end, at an instant.
    pub(super) fn end(&self, at: Timestamp) -> LogPosition {
        LogPosition { entry: self.start + self.entries.len() as u64, at }
    }

    /// Who has changed for a feature since a position.
    pub(super) fn since(&self, feature: &FeatureType, position: LogPosition) -> ChangedSince {
        let Some(skip) = position.entry.checked_sub(self.start) else {
            return ChangedSince::MaybeAll;
        };
        let entries = self.entries.iter().skip(skip as usize);
        let of_feature = entries.filter(|(changed, _)| changed == feature);
        ChangedSince::Only(of_feature.map(|(_, tenant)| tenant.clone()).collect())
    }
}
