//! What the statements of both databases about waiting work have in common (D7).

use crate::WaitingWork;
use crate::states::{CLAIMABLE_BY_AGE, CLAIMABLE_BY_TURN, ENDED, READING, SUSPECT};

/// Which ready chunks are claimed, and which of them first.
#[derive(Clone, Copy)]
pub(crate) enum Claimable {
    Suspects,
    /// Chunks that wait for no turn.
    ByAge,
    ByTurn,
    /// Chunks of runs that were canceled or were due before `:due_before`.
    Ending,
}

impl Claimable {
    /// The condition that such chunks meet.
    pub(crate) fn condition(self) -> &'static str {
        match self {
            Self::Suspects => SUSPECT,
            Self::ByAge => CLAIMABLE_BY_AGE,
            Self::ByTurn => CLAIMABLE_BY_TURN,
            Self::Ending => ENDED,
        }
    }

    /// The column that orders them.
    pub(crate) fn order(self) -> &'static str {
        match self {
            Self::Suspects | Self::ByAge | Self::Ending => "ready_at",
            Self::ByTurn => "turn",
        }
    }
}

/// The columns of a lane `l` that say since when work waits in it, with the kind of work.
pub(crate) const WAITING: [(&str, WaitingWork); 4] = [
    ("members_since", WaitingWork::Members),
    ("chunks_since", WaitingWork::Chunks),
    ("turns_since", WaitingWork::Chunks),
    ("suspects_since", WaitingWork::Suspects),
];

/// Since when the run waits that can be read by `now` and is next.
pub(crate) fn members_by(now: &str) -> String {
    format!(
        "SELECT read_after
         FROM run
         WHERE state = '{READING}' AND priority = l.priority AND job = l.id
             AND read_after <= {now}
         ORDER BY scheduled_at
         LIMIT 1"
    )
}

/// When the first run can be read.
pub(crate) fn members_ever() -> String {
    format!(
        "SELECT min(read_after)
         FROM run
         WHERE state = '{READING}' AND priority = l.priority AND job = l.id"
    )
}

/// Selects from these lanes `l` since when the oldest work of each kind waits; `members` selects it
/// for members.
pub(crate) fn select_waiting(members: &str, lanes: &str) -> String {
    format!(
        "SELECT l.job_id, l.priority,
             ({members}) AS members_since,
             (
                 SELECT min(ready_at)
                 FROM chunk
                 WHERE {CLAIMABLE_BY_AGE} AND priority = l.priority AND job = l.id
             ) AS chunks_since,
             (
                 SELECT ready_at
                 FROM chunk
                 WHERE {CLAIMABLE_BY_TURN} AND priority = l.priority AND job = l.id
                 ORDER BY turn
                 LIMIT 1
             ) AS turns_since,
             (
                 SELECT min(ready_at)
                 FROM chunk
                 WHERE {SUSPECT} AND priority = l.priority AND job = l.id
             ) AS suspects_since
         FROM ({lanes}) l"
    )
}
