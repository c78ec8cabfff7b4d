//! Errors of the components as problems.

use std::error::Error;

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
            _ => {
                tracing::error!(error = &error as &dyn Error, "the ledger cannot be read");
                let detail = "the log says why; try again";
                Self::unavailable("The ledger cannot be read now", detail)
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
            RegistryError::NoSuchJob(_) => {
                Self::not_found("No such job", format!("{detail}; GET /api/v1/jobs lists them"))
            }
            RegistryError::NotFailed(_) => {
                Self::conflict("Only who failed can be tried again", detail)
            }
            RegistryError::ReadOnly(_) => Self::conflict("Nothing can be changed here", detail),
            RegistryError::NobodyFailed => Self::conflict("Nobody has failed", detail),
            RegistryError::NobodyToRun { .. } => Self::conflict("Nobody is run", detail),
            RegistryError::AlreadySo { .. } | RegistryError::AlreadyCanceled(_) => {
                Self::conflict("Nothing to change", detail)
            }
            RegistryError::Starting => Self::unavailable("The agent starts", detail),
            RegistryError::NotInForce(_) => Self::unavailable("The job is not in force", detail),
            RegistryError::NoAgent => Self::unavailable("No agent runs", detail),
            RegistryError::Contended => Self::unavailable("Others are faster", detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

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
        assert_eq!(status(LedgerError::Corrupt("a row".into())), 503);
        assert_eq!(status(SourceError::Unavailable("away".into())), 503);
        assert_eq!(status(RegistryError::NotFailed("u (succeeded)".into())), 409);
        assert_eq!(status(RegistryError::NoAgent), 503);
    }

    #[test]
    fn an_error_in_full_tells_its_causes() {
        let error = RegistryError::Ledger(LedgerError::NoSuchRun(RunId(7)));
        assert_eq!(in_full(&error), format!("{error}: {}", LedgerError::NoSuchRun(RunId(7))));
    }
}
