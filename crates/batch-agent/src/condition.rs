//! What an agent knows of its own condition: which part of it fails at the moment, and what it
//! found when it last checked itself.
//!
//! Whatever does work notes here that it fails, and that it works again. What is noted is shown by
//! `/readyz` (F12) and by `cohort status` (A4), and by nothing else: nobody decides by it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::iter;
use std::sync::{Mutex, MutexGuard};

use cohort_database::FaultCause;
use cohort_ledger::LedgerError;
use jiff::Timestamp;
use serde::Serialize;

/// A part of an agent that can fail by itself, in the order in which faults are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The ledger was restored, and an operator has to say how it goes on (F11).
    Recovery,
    /// The Config Database does not answer, or its feed cannot be read.
    ConfigDatabase,
    /// The ledger cannot be written.
    Ledger,
    /// This agent's time zone database is older than the ledger's (T11).
    TimeZoneDatabase,
    /// What is due cannot be planned.
    Planning,
    /// Work that waits cannot be claimed.
    Claiming,
    /// Work in hand cannot be begun, or what was done not be recorded.
    Recording,
    /// This agent lacks something for calls: file descriptors, memory, disk (D4).
    OwnSide,
}

/// A part that fails at the moment, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which part.
    pub part: Part,
    /// Why, in plain words.
    pub cause: String,
}

/// What is noted of one agent.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    faults: Mutex<BTreeMap<Part, String>>,
    checked: Mutex<Option<Checked>>,
    /// What the last try of the databases has shown; held by whoever tries.
    pub(crate) tried: tokio::sync::Mutex<Option<Tried>>,
}

/// What a try of the databases has shown.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    /// When.
    pub(crate) at: tokio::time::Instant,
    /// Why the ledger could not be written; `None` if it could.
    pub(crate) ledger: Option<String>,
}

/// What the agent found when it last held what was due against the record (A1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// When.
    pub at: Timestamp,
    /// How many occurrences were unaccounted for.
    pub unaccounted: u64,
}

impl Condition {
    /// Notes that a part fails.
    pub(crate) fn note_fault(&self, part: Part, cause: String) {
        self.lock().insert(part, cause);
    }

    /// Notes that a part works.
    pub(crate) fn note_well(&self, part: Part) {
        self.lock().remove(&part);
    }

    /// Notes how an attempt of a part ended.
    pub(crate) fn note<T, E: Error + 'static>(&self, part: Part, attempt: &Result<T, E>) {
        match attempt {
            Ok(_) => self.note_well(part),
            Err(error) => self.note_fault(part, in_plain_words(error)),
        }
    }

    /// The parts that fail.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let faults = self.lock();
        faults.iter().map(|(part, cause)| Fault { part: *part, cause: cause.clone() }).collect()
    }

    /// Notes what a check has found.
    pub(crate) fn note_checked(&self, checked: Checked) {
        *self.lock_checked() = Some(checked);
    }

    /// What the last check has found; `None` before the first.
    pub(crate) fn checked(&self) -> Option<Checked> {
        *self.lock_checked()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Part, String>> {
        self.faults.lock().expect("faults are noted by code that does not panic")
    }

    fn lock_checked(&self) -> MutexGuard<'_, Option<Checked>> {
        self.checked.lock().expect("a check is noted by code that does not panic")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Recovery | Part::Ledger => "the ledger",
            Part::ConfigDatabase => "the change feed",
            Part::TimeZoneDatabase => return f.write_str(&self.cause),
            Part::Planning => "planning",
            Part::Claiming => "claiming work",
            Part::Recording => "work in hand",
            Part::OwnSide => "this agent's own side",
        };
        write!(f, "{part}: {}", self.cause)
    }
}

/// An error in one text, for those who read no chain: what keeps a database from its work if that
/// is its cause, else all of its causes.
pub(crate) fn in_plain_words(error: &(dyn Error + 'static)) -> String {
    let mut chain = iter::successors(Some(error), |error| (*error).source());
    let of_database = chain.find_map(|error| error.downcast_ref::<LedgerError>()?.fault());
    match of_database {
        None | Some(FaultCause::Defect) => in_full(error),
        Some(cause) => cause.to_string(),
    }
}

/// An error with its causes in one text.
pub(crate) fn in_full(error: &(dyn Error + 'static)) -> String {
    let chain = iter::successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_fails_until_it_works_again_and_no_longer() {
        let condition = Condition::default();
        let failed = Err::<(), _>(std::io::Error::other("the disk is full"));
        condition.note(Part::Planning, &failed);
        condition.note(Part::Ledger, &failed);
        let told: Vec<_> = condition.faults().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["the ledger: the disk is full", "planning: the disk is full"]);
        condition.note(Part::Ledger, &Ok::<_, std::io::Error>(()));
        condition.note_well(Part::Planning);
        assert_eq!(condition.faults(), []);
    }
}
