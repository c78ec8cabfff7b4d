//! What a ledger that was made from a copy is to do (F11).
//!
//! ```text
//! backup ─► restored: held ─┬─ rerun ───────► the gap is planned as after any downtime (F1)
//!                           └─ mark_missed ─► what was due in the gap is missed; open runs are
//!                                             canceled
//! copy   ─► moved: it goes on at once
//! ```
//!
//! While it is held, agents plan nothing and call nobody: what was done between the copy's last
//! moment and the restore is not on record, and would be done twice without anybody having said so.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::LedgerError;
use crate::sealed::Sealed;

/// How a ledger that was made from a copy goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryState {
    /// Nothing is planned and nobody is called before an operator decides.
    Held,
    /// The gap was planned as after any downtime.
    Rerun,
    /// What was due in the gap is missed.
    MarkMissed,
    /// It was moved while nobody worked on it: there is no gap.
    Moved,
}

/// What an operator can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryChoice {
    /// Plan the gap as after any downtime; work may be done twice.
    Rerun,
    /// Record what was due in the gap as missed, and cancel what was open.
    MarkMissed,
}

/// How a ledger came to be, if it was made from a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The last moment of what was copied.
    pub as_of: Timestamp,
    /// How it goes on.
    pub state: RecoveryState,
    /// When an operator has decided.
    pub decided_at: Option<Timestamp>,
    /// Who.
    pub decided_by: Option<String>,
    /// When users' names were compared with those of the Config Database that was copied with it.
    #[serde(skip)]
    pub names_compared_at: Option<Timestamp>,
}

impl Recovery {
    /// Whether agents hold.
    pub fn is_held(&self) -> bool {
        self.state == RecoveryState::Held
    }

    /// Up to when what was due counts as missed, by the operator's decision.
    pub fn missed_until(&self) -> Option<Timestamp> {
        self.decided_at.filter(|_| self.state == RecoveryState::MarkMissed)
    }
}

impl RecoveryState {
    /// The text in the ledger.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Rerun => "rerun",
            Self::MarkMissed => "mark_missed",
            Self::Moved => "moved",
        }
    }

    pub(crate) fn read(text: &str) -> Result<Self, LedgerError> {
        [Self::Held, Self::Rerun, Self::MarkMissed, Self::Moved]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| LedgerError::Corrupt(format!("the state {text:?} of a recovery")))
    }
}

impl From<RecoveryChoice> for RecoveryState {
    fn from(choice: RecoveryChoice) -> Self {
        match choice {
            RecoveryChoice::Rerun => Self::Rerun,
            RecoveryChoice::MarkMissed => Self::MarkMissed,
        }
    }
}

impl fmt::Display for RecoveryChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RecoveryState::from(*self).as_str())
    }
}

/// The part of the ledger that says whether it was restored.
#[async_trait]
pub trait RecoveryLedger: Sealed {
    /// Returns how the ledger came to be; `None` if it was not made from a copy.
    async fn recovery(&self) -> Result<Option<Recovery>, LedgerError>;

    /// Lets a ledger that is held go on. With [`RecoveryChoice::MarkMissed`] cancels every open run
    /// in the same transaction. Returns the recovery as it then is; `None` if it was not held.
    async fn decide_recovery(
        &self,
        choice: RecoveryChoice,
        by: String,
        now: Timestamp,
    ) -> Result<Option<Recovery>, LedgerError>;

    /// Notes that users' names were compared with those of the Config Database.
    async fn note_names_compared(&self, now: Timestamp) -> Result<(), LedgerError>;
}
