//! Errors of the components as problems.

use std::error::Error;
use std::time::Duration;

use cohort_database::{DatabaseError, FaultCause};
use cohort_ledger::{LedgerError, RunId};

use super::Problem;
use crate::condition::in_full;
use crate::evidence::EvidenceError;
use crate::registry::RegistryError;
use crate::source::SourceError;

impl Problem {
    pub(crate) fn no_such_run(id: RunId) -> Self {
        Self::not_found("No such run", format!("there is no run {id}; GET /api/v1/runs lists them"))
    }

    pub(crate) fn no_config_database() -> Self {
        let detail = "nobody here can ask the Config Database what users have stated";
        Self::unavailable("No Config Database", detail)
    }
}

/// When to ask again where only somebody else was in the way.
const SOON: Duration = Duration::from_secs(1);

impl Problem {
    /// A fault of the ledger's database that may pass: its cause, and what became of what was
    /// asked.
    fn ledger_away(error: &DatabaseError) -> Self {
        tracing::warn!(error = error as &dyn Error, "a request has to wait for the ledger");
        let cause = error.cause();
        let end = if error.is_outcome_unknown() {
            "it is not known whether this was stored: look before you ask again"
        } else {
            "nothing was stored; ask again"
        };
        let detail = format!("{cause}; {end}");
        let title = "The ledger does not answer now";
        match cause {
            FaultCause::Conflict | FaultCause::Locked | FaultCause::AllConnectionsInUse => {
                Self::unavailable_for(SOON, title, detail)
            }
            _ => Self::unavailable(title, detail),
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Cursor(_) => Self::wrong_query(error.to_string()),
            LedgerError::CursorGone => Self::gone("The cursor is gone", error.to_string()),
            LedgerError::NoSuchRun(run) => Self::no_such_run(run),
            LedgerError::RunEnded { .. } => Self::conflict("The run has ended", error.to_string()),
            LedgerError::RunIsBeingCanceled(_) => {
                Self::conflict("The run is being canceled", error.to_string())
            }
            LedgerError::Database(error) if error.is_transient() => Self::ledger_away(&error),
            LedgerError::RevisionMoved | LedgerError::LostClaim { .. } => {
                Self::unavailable_for(SOON, "Others are faster", error.to_string())
            }
            LedgerError::OtherTzdb { .. } => {
                Self::unavailable("Another agent has to plan this", error.to_string())
            }
            _ => {
                tracing::error!(error = &error as &dyn Error, "the ledger cannot be read");
                Self::defect("The ledger cannot be read", "a defect: the log says more")
            }
        }
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        tracing::warn!(error = &error as &dyn Error, "what users have stated cannot be read");
        let detail = "the Config Database does not answer; try again";
        Self::unavailable("Preferences cannot be read now", detail)
    }
}

impl From<EvidenceError> for Problem {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::Source(error) => error.into(),
            EvidenceError::Ledger(error) => error.into(),
        }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let detail = in_full(&error);
        match error {
            RegistryError::Ledger(error) => error.into(),
            RegistryError::Config(_) | RegistryError::Unserved(_) => {
                Self::unprocessable("The batch config cannot be used", detail)
            }
            RegistryError::NoSuchJob(_) | RegistryError::NoJobOfPurpose(_) => {
                Self::not_found("No such job", format!("{detail}; GET /api/v1/jobs lists them"))
            }
            RegistryError::NothingChosen(_) => Self::unprocessable("Nothing is chosen", detail),
            RegistryError::NothingToDo(_) => Self::conflict("Nothing to do", detail),
            RegistryError::NothingOnRecord(_) => Self::not_found("Nothing on record", detail),
            RegistryError::NoSuchPurpose(_) => Self::not_found(
                "No such purpose",
                format!("{detail}; GET /api/v1/purposes lists them"),
            ),
            RegistryError::NotFailed(_) => {
                Self::conflict("Only who failed can be tried again", detail)
            }
            RegistryError::ReadOnly(_) => Self::conflict("Nothing can be changed here", detail),
            RegistryError::NobodyFailed => Self::conflict("Nobody has failed", detail),
            RegistryError::NobodyToRun { .. } => Self::conflict("Nobody is run", detail),
            RegistryError::AlreadySo { .. }
            | RegistryError::PurposeAlreadySo { .. }
            | RegistryError::AlreadyCanceled(_)
            | RegistryError::NotHeld => Self::conflict("Nothing to change", detail),
            RegistryError::Starting => Self::unavailable_for(SOON, "The agent starts", detail),
            RegistryError::NotInForce(_) => Self::unavailable("The job is not in force", detail),
            RegistryError::Held => Self::unavailable("The ledger was restored", detail),
            RegistryError::NoAgent => Self::unavailable("No agent runs", detail),
            RegistryError::Contended => Self::unavailable("Others are faster", detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use cohort_database::testing::refused_with;

    use super::*;

    fn status(error: impl Into<Problem>) -> u16 {
        error.into().into_response().status().as_u16()
    }

    #[test]
    fn each_error_has_its_status_wherever_it_comes_through() {
        assert_eq!(status(LedgerError::NoSuchRun(RunId(7))), 404);
        assert_eq!(status(RegistryError::Ledger(LedgerError::NoSuchRun(RunId(7)))), 404);
        assert_eq!(status(EvidenceError::Ledger(LedgerError::CursorGone)), 410);
        assert_eq!(status(LedgerError::RunIsBeingCanceled(RunId(7))), 409);
        assert_eq!(status(LedgerError::Corrupt("a row".into())), 500);
        assert_eq!(status(LedgerError::RevisionMoved), 503);
        assert_eq!(status(SourceError::Unavailable("away".into())), 503);
        assert_eq!(status(RegistryError::NotFailed("u (succeeded)".into())), 409);
        assert_eq!(status(RegistryError::NoAgent), 503);
    }

    #[test]
    fn a_fault_of_the_ledger_that_may_pass_is_503_with_retry_after_and_a_defect_500() {
        let answer = |error: DatabaseError| {
            let response = Problem::from(LedgerError::Database(error)).into_response();
            let retry_after = response.headers().get("retry-after").cloned();
            (response.status().as_u16(), retry_after.map(|s| s.to_str().expect("text").to_owned()))
        };
        for state in ["53300", "53100", "53200", "57P01", "57P02", "57P03", "57014", "25006"] {
            assert_eq!(answer(refused_with(state)), (503, Some("5".into())), "{state}");
        }
        for state in ["55P03", "40001", "40P01"] {
            assert_eq!(answer(refused_with(state)), (503, Some("1".into())), "{state}");
        }
        for state in ["42P01", "23505", "XX001"] {
            assert_eq!(answer(refused_with(state)), (500, None), "{state}");
        }
        assert_eq!(answer(DatabaseError::Closed).0, 503);
    }

    #[test]
    fn an_error_in_full_tells_its_causes() {
        let error = RegistryError::Ledger(LedgerError::NoSuchRun(RunId(7)));
        assert_eq!(in_full(&error), format!("{error}: {}", LedgerError::NoSuchRun(RunId(7))));
    }
}
