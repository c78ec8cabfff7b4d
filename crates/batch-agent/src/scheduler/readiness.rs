//! Whether this agent can do its work, and why not.

use super::DynamicBatchScheduler;
use crate::condition::Fault;

impl DynamicBatchScheduler {
    /// Why the change feed cannot be read at the moment, and so changes not be learnt of; `None`
    /// while it can.
    pub fn feed_fault(&self) -> Option<String> {
        self.feed.fault()
    }

    /// Why the agent cannot do its work at the moment, part by part; empty if it can: the groups
    /// are read, changes are heard of, the ledger takes what is written (F5) and goes by this
    /// agent's time zone database (T11), and nothing that it does has just failed (F12).
    pub async fn faults(&self) -> Vec<Fault> {
        self.processor.shared().faults().await
    }

    /// The same in one text; `None` if it can.
    pub async fn unreadiness(&self) -> Option<String> {
        let faults = self.faults().await;
        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}
