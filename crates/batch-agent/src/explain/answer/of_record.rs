//! Which answer the record gives: each reason of the ledger's is an answer of the same name (A2).

use cohort_ledger::{
    FailedReason, LedgerError, MissedReason, SkippedReason, StatusName, UnprocessedReason,
};

use super::Answer;

impl Answer {
    /// The answer that an outcome gives.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] if its reason is not of the closed set (A2).
    pub(crate) fn of_outcome(
        status: StatusName,
        reason: Option<&str>,
    ) -> Result<Self, LedgerError> {
        let reason = reason.unwrap_or_default();
        match status {
            StatusName::Succeeded => Ok(Self::Succeeded),
            StatusName::Failed => reason.parse().map(Self::of_failure),
            StatusName::Skipped => reason.parse().map(Self::of_skip),
            StatusName::Requeued => {
                Err(LedgerError::Corrupt("a user who was requeued is open in no chunk".into()))
            }
        }
    }

    /// The answer that a run gives whose members have no outcomes of their own.
    pub(crate) fn of_unprocessed(reason: UnprocessedReason) -> Self {
        match reason {
            UnprocessedReason::JobPaused => Self::JobPaused,
            UnprocessedReason::Canceled => Self::Canceled,
            UnprocessedReason::Missed(MissedReason::Downtime) => Self::Downtime,
            UnprocessedReason::Missed(MissedReason::MisfireSkip) => Self::MisfireSkip,
            UnprocessedReason::Missed(MissedReason::MisfireLimit) => Self::MisfireLimit,
            UnprocessedReason::Missed(MissedReason::MembersUnreadable) => Self::MembersUnreadable,
        }
    }

    fn of_failure(reason: FailedReason) -> Self {
        match reason {
            FailedReason::Rejected => Self::Rejected,
            FailedReason::RetriesExhausted => Self::RetriesExhausted,
            FailedReason::BadAnswer => Self::BadAnswer,
            FailedReason::Poison => Self::Poison,
            FailedReason::UnknownResult => Self::UnknownResult,
        }
    }

    fn of_skip(reason: SkippedReason) -> Self {
        match reason {
            SkippedReason::Disabled => Self::Disabled,
            SkippedReason::Deleted => Self::Deleted,
            SkippedReason::Snoozed => Self::Snoozed,
            SkippedReason::SkippedByUser => Self::SkippedByUser,
            SkippedReason::AlreadyRan => Self::AlreadyRan,
            SkippedReason::Overlap => Self::Overlap,
            SkippedReason::JobPaused => Self::JobPaused,
            SkippedReason::Canceled => Self::Canceled,
            SkippedReason::PurposeDisabled => Self::PurposeDisabled,
            SkippedReason::OverBudget => Self::OverBudget,
            SkippedReason::Expired => Self::Expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_record_is_an_answer_of_the_same_name() {
        let skipped = "disabled deleted snoozed skipped_by_user already_ran overlap job_paused \
            canceled purpose_disabled over_budget expired";
        let failed = "rejected retries_exhausted bad_answer poison unknown_result";
        for (status, reasons) in [(StatusName::Skipped, skipped), (StatusName::Failed, failed)] {
            for reason in reasons.split(' ') {
                assert_eq!(
                    Answer::of_outcome(status, Some(reason)).expect("a reason").as_str(),
                    reason
                );
            }
        }
        for reason in
            "downtime misfire_skip misfire_limit members_unreadable job_paused canceled".split(' ')
        {
            assert_eq!(Answer::of_unprocessed(reason.parse().expect("a reason")).as_str(), reason);
        }
        assert!(Answer::of_outcome(StatusName::Skipped, Some("bored")).is_err());
    }
}
