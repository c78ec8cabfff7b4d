//! The errors of processing.

use cohort_ledger::LedgerError;

/// Why processing could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The ledger did not take or give what was asked.
    #[error("claiming or recording work")]
    Ledger(#[from] LedgerError),
}
