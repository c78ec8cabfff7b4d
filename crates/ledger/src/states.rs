//! States and statuses under the names by which statements know them.
//!
//! They stand in the text of a statement, as literals: both databases choose a partial index by the
//! text alone, and a bound value would hide from them that the index fits.

use crate::chunk::ChunkState;
use crate::outcome::StatusName;
use crate::run::RunState;

/// `run.state`: members are still to be read.
pub(crate) const READING: &str = RunState::Reading.as_str();
/// `run.state`: all members are in chunks.
pub(crate) const PROCESSING: &str = RunState::Processing.as_str();
/// `run.state`: every member has an outcome, or was missed.
pub(crate) const CLOSED: &str = RunState::Closed.as_str();

/// `chunk.state`: it waits for an agent to claim it.
pub(crate) const READY: &str = ChunkState::Ready.as_str();
/// `chunk.state`: an agent has claimed it.
pub(crate) const CLAIMED: &str = ChunkState::Claimed.as_str();
/// `chunk.state`: each of its users has an outcome.
pub(crate) const DONE: &str = ChunkState::Done.as_str();

/// `outcome.status` of work that succeeded.
pub(crate) const SUCCEEDED: i32 = StatusName::Succeeded.code();
/// `outcome.status` of work that failed.
pub(crate) const FAILED: i32 = StatusName::Failed.code();
/// `outcome.status` of a user who was skipped.
pub(crate) const SKIPPED: i32 = StatusName::Skipped.code();
/// `outcome.status` of work that failed and was requeued.
pub(crate) const REQUEUED: i32 = StatusName::Requeued.code();

/// Which groups run so often that they count for no period (M6): `run.frequency` is one of these.
pub(crate) const WITHOUT_PERIOD: &str = "'hourly', 'cron'";

/// That a run has as many outcomes as members: it has its last outcome (D2).
pub(crate) const HAS_ALL_OUTCOMES: &str = "succeeded + failed + skipped = members + unread";

/// Ready chunks with which no worker has died and that wait for no turn.
pub(crate) const CLAIMABLE_BY_AGE: &str = "state = 'ready' AND deaths = 0 AND turn = 0";
/// Ready chunks that wait for their turns (D7).
pub(crate) const CLAIMABLE_BY_TURN: &str = "state = 'ready' AND deaths = 0 AND turn > 0";
/// Ready chunks with which a worker has died (D5).
pub(crate) const SUSPECT: &str = "state = 'ready' AND deaths > 0";

/// Ready chunks of the lane's runs that were canceled or were due before `:due_before`.
pub(crate) const ENDED: &str = "state = 'ready' AND deaths = 0 AND run IN (
        SELECT id
        FROM run
        WHERE job = (SELECT id FROM job WHERE job_id = :job)
            AND state <> 'closed'
            AND (canceled_at IS NOT NULL OR scheduled_at < :due_before)
    )";

/// What makes a claimed chunk ready again.
pub(crate) const FREE_CHUNK: &str = "state = 'ready', holder = NULL, lease_until = NULL";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_the_states_as_they_are() {
        for condition in [CLAIMABLE_BY_AGE, CLAIMABLE_BY_TURN, SUSPECT, ENDED, FREE_CHUNK] {
            assert!(condition.starts_with(&format!("state = '{READY}'")), "{condition}");
        }
    }
}
