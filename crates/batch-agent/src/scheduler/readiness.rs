//! Whether this agent can do its work, and why not.

use super::{DynamicBatchScheduler, ScheduleError};

impl DynamicBatchScheduler {
    /// Why the change feed cannot be read at the moment, and so changes not be learnt of; `None`
    /// while it can.
    pub fn feed_fault(&self) -> Option<String> {
        self.feed.fault()
    }

    /// Why the agent cannot do its work at the moment; `None` if it can: the groups are read,
    /// changes are heard of, and the ledger answers, takes what is written (F5) and goes by this
    /// agent's time zone database (T11).
    pub async fn unreadiness(&self) -> Option<String> {
        if let Some(fault) = self.feed_fault() {
            return Some(format!("the change feed: {fault}"));
        }
        if !self.feed.is_following() {
            return Some("the Config Database has not answered yet: no group is scheduled".into());
        }
        if let Some(job_id) = self.schedules.distrusted() {
            return Some(ScheduleError::SuddenlyEmpty { job_id }.to_string());
        }
        if let Some(outdated) = self.outdated_tzdb() {
            return Some(outdated);
        }
        let read_fault =
            self.ledger.definition_revision().await.err().map(|error| error.to_string());
        read_fault.or_else(|| self.write_fault()).map(|fault| format!("the ledger: {fault}"))
    }
}
