//! A list of groups that is suddenly empty (M8).
//!
//! A Config Database that was restored to nothing, or another one that answers under its address,
//! names no group at all. Taken at its word, it would end every schedule without a sound. So the
//! schedules known are only replaced by nothing if
//!
//! * the change feed has told that everybody left: then nobody is known of any more, and there is
//!   no reason for distrust; or
//! * a second reading, ten minutes after the first or later, names nobody either, and none between
//!   them named anybody.
//!
//! Meanwhile the agent says that it is not ready and goes on by what it knows (F4): occurrences are
//! planned, but their members are not read, so that no run is closed because the same database
//! lists nobody. They wait, and are missed at the end of their catch-up window with the members
//! last known. Nor does the watermark say that new groups were known.
//!
//! What is trusted all the same: a list that lost only some of its groups, and the tenants of a job
//! with a schedule of its own.

use cohort_preferences::{GroupList, JobId, TenantTimezone};
use jiff::SignedDuration;

use super::{DynamicBatchScheduler, ScheduleError};

/// After how long a second reading confirms a first that named nobody: long enough for an operator
/// to notice.
const CONFIRMED_AFTER: SignedDuration = SignedDuration::from_mins(10);

impl DynamicBatchScheduler {
    /// Whether the schedules of a job may be replaced by these groups and zones.
    ///
    /// # Errors
    /// [`ScheduleError::SuddenlyEmpty`] if they may not yet; the feed's error if it cannot be asked
    /// what has become of everybody.
    pub(super) async fn believe(
        &self,
        job_id: &JobId,
        list: &GroupList,
        zones: &[TenantTimezone],
    ) -> Result<(), ScheduleError> {
        let schedules = &self.schedules;
        if names_anybody(list, zones) || !schedules.know_anybody(job_id) {
            return Ok(());
        }
        if self.feed.is_following() {
            self.feed.sync().await?;
        }
        if !schedules.know_anybody(job_id) {
            return Ok(());
        }
        let now = self.clock.now();
        let distrusted_since = schedules.distrust_empty_list(job_id, now);
        if now.duration_since(distrusted_since) < CONFIRMED_AFTER {
            return Err(ScheduleError::SuddenlyEmpty { job_id: job_id.clone() });
        }
        tracing::warn!(%job_id, %distrusted_since,
            "no group is named at the second reading either: the job has none any more");
        Ok(())
    }
}

fn names_anybody(list: &GroupList, zones: &[TenantTimezone]) -> bool {
    !zones.is_empty() || list.groups.iter().any(|summary| summary.count > 0)
}
