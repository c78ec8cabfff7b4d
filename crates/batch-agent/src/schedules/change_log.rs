//! The log of who has changed: it tells the processor whose settings to read again (M3).

use std::collections::{HashMap, VecDeque};

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
    /// The number of each user's latest entry for a feature.
    latest: HashMap<FeatureType, HashMap<TenantId, u64>>,
}

/// A position in the change feed's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPosition {
    /// The number of the entry that would come next.
    entry: u64,
    /// When it was the log's end.
    pub(crate) at: Timestamp,
}

impl ChangeLog {
    /// Notes who changed. A change without a name, as of a user who was erased (W8), may be
    /// anybody's.
    pub(super) fn note(&mut self, change: &Change) {
        match (&change.tenant_id, change.kind) {
            (Some(tenant), _) => {
                let (feature, number) = (change.feature_type.clone(), self.next_number());
                self.latest.entry(feature.clone()).or_default().insert(tenant.clone(), number);
                self.entries.push_back((feature, tenant.clone()));
            }
            (None, ChangeKind::Defaults) => {}
            (None, ChangeKind::Set | ChangeKind::Deleted) => self.forget(),
        }
        if self.entries.len() > LENGTH {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((feature, tenant)) = self.entries.pop_front() else { return };
        if let Some(latest) = self.latest.get_mut(&feature)
            && latest.get(&tenant) == Some(&self.start)
        {
            latest.remove(&tenant);
        }
        self.start += 1;
    }

    /// Forgets everything: since any earlier position, everybody may have changed.
    pub(super) fn forget(&mut self) {
        self.start += self.entries.len() as u64 + 1;
        self.entries.clear();
        self.latest.clear();
    }

    /// The log's end, at an instant.
    pub(super) fn end(&self, at: Timestamp) -> LogPosition {
        LogPosition { entry: self.next_number(), at }
    }

    fn next_number(&self) -> u64 {
        self.start + self.entries.len() as u64
    }

    /// Whether a user may have changed for a feature since a position: everybody may, if the log
    /// does not reach back so far.
    pub(super) fn may_have_changed(
        &self,
        feature: &FeatureType,
        tenant: &TenantId,
        position: LogPosition,
    ) -> bool {
        let latest = || self.latest.get(feature)?.get(tenant).copied();
        position.entry < self.start || latest().is_some_and(|number| number >= position.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(tenant: Option<&str>, feature: &str) -> Change {
        Change {
            id: "1".into(),
            tenant_id: tenant.map(|tenant| tenant.parse().expect("a tenant")),
            number: Some(1),
            feature_type: feature.parse().expect("a feature"),
            version: 1,
            at: Timestamp::UNIX_EPOCH,
            kind: ChangeKind::Set,
            left: None,
            joined: None,
        }
    }

    fn may_have_changed(log: &ChangeLog, tenant: &str, position: LogPosition) -> bool {
        let feature = "posts".parse().expect("a feature");
        log.may_have_changed(&feature, &tenant.parse().expect("a tenant"), position)
    }

    #[test]
    fn only_who_changed_since_for_the_feature_may_have_changed() {
        let mut log = ChangeLog::default();
        log.note(&change(Some("ann"), "posts"));
        let position = log.end(Timestamp::UNIX_EPOCH);
        log.note(&change(Some("bob"), "posts"));
        log.note(&change(Some("cid"), "mails"));
        let changed = ["ann", "bob", "cid"].map(|user| may_have_changed(&log, user, position));
        assert_eq!(changed, [false, true, false]);
        log.note(&change(Some("ann"), "posts"));
        assert!(may_have_changed(&log, "ann", position));
    }

    #[test]
    fn since_a_position_that_is_forgotten_everybody_may_have_changed() {
        let mut log = ChangeLog::default();
        let position = log.end(Timestamp::UNIX_EPOCH);
        for _ in 0..=LENGTH {
            log.note(&change(Some("bob"), "posts"));
        }
        assert!(may_have_changed(&log, "ann", position), "one entry was let go");
        let end = log.end(Timestamp::UNIX_EPOCH);
        assert!(!may_have_changed(&log, "bob", end));
        log.note(&change(None, "posts"));
        assert!(may_have_changed(&log, "ann", end), "who was erased may be anybody");
    }
}
