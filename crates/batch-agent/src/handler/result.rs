//! What a handler says became of its users.

use std::fmt::Display;

use cohort_preferences::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What became of one user.
#[derive(Debug, Clone, Deserialize)]
pub struct UserResult {
    /// Who.
    pub tenant_id: TenantId,
    /// How it ended.
    pub status: ResultStatus,
    /// Why it did not succeed.
    #[serde(default)]
    pub error: Option<String>,
    /// Seconds before the next attempt, at least.
    #[serde(default)]
    pub retry_after_s: Option<u64>,
    /// Kept with the outcome, up to 4 KiB (D11).
    #[serde(default)]
    pub result: Option<Value>,
    /// Kept with the outcome.
    #[serde(default)]
    pub result_url: Option<String>,
}

/// How a user's work ended in the handler's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultStatus {
    /// Done.
    Succeeded,
    /// Not done, and it makes no sense to try again.
    Failed,
    /// Not done; it may succeed later.
    Retry,
    /// Not done, because our own side could not: it is tried again soon, and no attempt is used up
    /// (D4). No answer can say this.
    #[serde(skip)]
    Postponed,
    /// Probably done, but the answer breaks the contract: nobody is called again (D4). No answer
    /// can say this.
    #[serde(skip)]
    BadAnswer,
}

/// A call that gave no result for any of its users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// It may succeed later (D4).
    #[error("{detail}")]
    Retry {
        /// What happened.
        detail: String,
        /// Seconds before the next attempt, at least.
        retry_after_s: Option<u64>,
    },
    /// It makes no sense to try again (D4).
    #[error("{detail}")]
    Reject {
        /// What happened.
        detail: String,
    },
    /// Our own side could not make the call: no file descriptor, memory, disk or address was free.
    /// Nothing was done, it is tried again soon, and no attempt is used up (D4).
    #[error("{detail}")]
    OwnFault {
        /// What was lacking.
        detail: String,
    },
    /// The answer breaks the contract. The work was probably done, so nobody is called again (D4).
    #[error("{detail}")]
    BadAnswer {
        /// What is wrong with the answer.
        detail: String,
    },
}

/// How a call ended, for the health of its purpose (D12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallEnd {
    /// The handler is there and does its work, whatever became of single users.
    Success,
    /// A fault that may pass: no answer, or one that says so for the call as a whole.
    FaultThatMayPass,
    /// Our own side could not make the call; that says nothing of the handler.
    OwnFault,
    /// The handler refused the whole call for good.
    Rejected,
    /// The answer breaks the contract.
    BadAnswer,
}

impl CallEnd {
    /// How a call ended that returned this.
    pub(crate) fn of(returned: &Result<Vec<UserResult>, HandlerError>) -> Self {
        match returned {
            Ok(results) => Self::of_results(results),
            Err(HandlerError::Retry { .. }) => Self::FaultThatMayPass,
            Err(HandlerError::Reject { .. }) => Self::Rejected,
            Err(HandlerError::OwnFault { .. }) => Self::OwnFault,
            Err(HandlerError::BadAnswer { .. }) => Self::BadAnswer,
        }
    }

    /// The end as metrics name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::FaultThatMayPass => "fault",
            Self::OwnFault => "own_fault",
            Self::Rejected => "rejected",
            Self::BadAnswer => "bad_answer",
        }
    }

    fn of_results(results: &[UserResult]) -> Self {
        let has = |wanted| results.iter().any(|result| result.status == wanted);
        if has(ResultStatus::Succeeded) || has(ResultStatus::Failed) || results.is_empty() {
            Self::Success
        } else if has(ResultStatus::BadAnswer) {
            Self::BadAnswer
        } else if has(ResultStatus::Retry) {
            // It answers, and knows what it cannot do now: it is there.
            Self::Success
        } else {
            Self::OwnFault
        }
    }
}

impl UserResult {
    /// The work of this user is done.
    pub fn succeeded(tenant_id: TenantId) -> Self {
        Self {
            tenant_id,
            status: ResultStatus::Succeeded,
            error: None,
            retry_after_s: None,
            result: None,
            result_url: None,
        }
    }

    /// The work of this user is not done, and may succeed later (D4).
    pub fn retry(tenant_id: TenantId, why: impl Display) -> Self {
        Self {
            status: ResultStatus::Retry,
            error: Some(why.to_string()),
            ..Self::succeeded(tenant_id)
        }
    }

    /// The work of this user is not done, and it makes no sense to try again (D4).
    pub fn failed(tenant_id: TenantId, why: impl Display) -> Self {
        Self {
            status: ResultStatus::Failed,
            error: Some(why.to_string()),
            ..Self::succeeded(tenant_id)
        }
    }

    /// Our own side could not do the work of this user: it is tried again soon, and no attempt is
    /// used up (D4).
    pub fn postponed(tenant_id: TenantId, why: impl Display) -> Self {
        Self { status: ResultStatus::Postponed, ..Self::retry(tenant_id, why) }
    }

    /// The work of this user was probably done, but the answer breaks the contract: nobody is
    /// called again (D4).
    pub(crate) fn bad_answer(tenant_id: TenantId, why: impl Display) -> Self {
        Self { status: ResultStatus::BadAnswer, ..Self::retry(tenant_id, why) }
    }

    /// The same, with what is kept with the outcome: up to 4 KiB as JSON (D11). `null` keeps
    /// nothing.
    ///
    /// # Errors
    /// If the value has no JSON text, as a map whose keys are no strings.
    pub fn with_result(self, result: impl Serialize) -> Result<Self, serde_json::Error> {
        let result = Some(serde_json::to_value(result)?).filter(|result| !result.is_null());
        Ok(Self { result, ..self })
    }
}

impl HandlerError {
    /// Nothing was done, and it may succeed later (D4).
    ///
    /// ```
    /// # use cohort_batch_agent::HandlerError;
    /// let read = std::fs::read("/there/is/no/such/file").map_err(HandlerError::retry);
    /// assert!(read.is_err());
    /// ```
    pub fn retry(why: impl Display) -> Self {
        Self::Retry { detail: why.to_string(), retry_after_s: None }
    }

    /// Nothing was done, and it makes no sense to try again (D4).
    pub fn reject(why: impl Display) -> Self {
        Self::Reject { detail: why.to_string() }
    }

    /// Nothing was done, because our own side lacks something that it will have again: it is tried
    /// again soon, and no attempt is used up (D4).
    pub fn own_fault(why: impl Display) -> Self {
        Self::OwnFault { detail: why.to_string() }
    }

    /// The answer breaks the contract; the work was probably done (D4).
    pub fn bad_answer(why: impl Display) -> Self {
        Self::BadAnswer { detail: why.to_string() }
    }
}

/// What an error of the whole call means for one of its users.
pub(crate) fn failed(tenant_id: TenantId, error: HandlerError) -> UserResult {
    match &error {
        HandlerError::Retry { retry_after_s, .. } => {
            UserResult { retry_after_s: *retry_after_s, ..UserResult::retry(tenant_id, &error) }
        }
        HandlerError::Reject { .. } => UserResult::failed(tenant_id, &error),
        HandlerError::OwnFault { .. } => UserResult::postponed(tenant_id, &error),
        HandlerError::BadAnswer { .. } => UserResult::bad_answer(tenant_id, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> TenantId {
        "ann".parse().expect("a tenant")
    }

    #[test]
    fn a_call_is_judged_by_the_best_that_became_of_its_users() {
        let (done, retry) = (UserResult::succeeded(user()), UserResult::retry(user(), "busy"));
        let (ours, bad) =
            (UserResult::postponed(user(), "full"), UserResult::bad_answer(user(), "?"));
        for (results, end) in [
            (vec![done, retry.clone()], CallEnd::Success),
            (vec![retry.clone(), retry.clone()], CallEnd::Success),
            (vec![retry.clone(), bad], CallEnd::BadAnswer),
            (vec![ours.clone()], CallEnd::OwnFault),
            (vec![ours, retry], CallEnd::Success),
            (vec![], CallEnd::Success),
        ] {
            assert_eq!(CallEnd::of(&Ok(results)), end);
        }
        assert_eq!(CallEnd::of(&Err(HandlerError::own_fault("full"))), CallEnd::OwnFault);
    }

    #[test]
    fn an_answer_can_neither_claim_our_own_fault_nor_that_it_is_bad() {
        for status in ["postponed", "badanswer", "bad_answer"] {
            assert!(serde_json::from_value::<ResultStatus>(status.into()).is_err(), "{status}");
        }
    }
}
