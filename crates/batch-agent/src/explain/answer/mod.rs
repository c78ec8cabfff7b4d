//! Why a user's work was done or not: a closed set (A3), which holds that of the record (A2).

mod of_record;

use serde::Serialize;

macro_rules! answers {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $advice:literal;)*) => {
        /// The answer to "why?" for a job, a user and an instant. Names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Answer {
            $($(#[$doc])* $variant,)*
        }

        impl Answer {
            /// Every answer that there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What to do about it.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }
        }
    };
}

answers! {
    /// The handler did the work.
    Succeeded = "succeeded",
    "Nothing. If the user got nothing all the same, ask the handler's service, by the key.";

    /// The user had switched the feature off.
    Disabled = "disabled", "Nothing, if the user meant it; else set enabled to true.";
    /// The preference or the tenant was deleted.
    Deleted = "deleted",
    "Nothing, if it was meant; else `POST /tenants/{tenant_id}/revert` brings a preference back.";
    /// The user had snoozed past the occurrence.
    Snoozed = "snoozed", "Nothing: it goes on when snoozed_until has passed.";
    /// The user had asked to skip this occurrence.
    SkippedByUser = "skipped_by_user", "Nothing: the next occurrence runs.";
    /// The job had run the user in the same period in another group (M6).
    AlreadyRan = "already_ran", "Nothing, if once a day is enough; else set the job's once_per.";
    /// An earlier run of the user was open, and one more waited (F10).
    Overlap = "overlap", "See why the earlier run took so long: `cohort runs --job JOB`.";
    /// The job was paused.
    JobPaused = "job_paused",
    "`cohort resume JOB`, if it is still paused; `cohort trigger JOB` runs it once now.";
    /// An operator canceled the run.
    Canceled = "canceled", "Ask whoever canceled it; `cohort trigger JOB` runs it anew.";
    /// The purpose's handler had said that it is gone.
    PurposeDisabled = "purpose_disabled", "Mend the handler's service, and apply the purpose anew.";
    /// The purpose's budget was used up.
    OverBudget = "over_budget", "Raise the purpose's budget, or wait for the next period.";
    /// The job's deadline had passed before an attempt could begin.
    Expired = "expired",
    "See what held the agent up, give it more capacity, or set a later deadline.";

    /// Nothing ran when it was due, and afterwards it was too late, or not the latest.
    Downtime = "downtime",
    "Let an agent run; a longer catchup_window or \"misfire\": \"all\" catches up on more.";
    /// The job skips what it missed.
    MisfireSkip = "misfire_skip", "Let an agent run; another misfire catches up.";
    /// More than 100 occurrences were missed.
    MisfireLimit = "misfire_limit", "Let an agent run; `cohort trigger JOB` runs it once now.";
    /// The member list could not be read within the catch-up window.
    MembersUnreadable = "members_unreadable",
    "Mend the Config Database, or the way to it; `cohort trigger JOB` runs it once now.";

    /// The handler refused the work for good.
    Rejected = "rejected", "Read the detail: the handler says why.";
    /// No attempt, or no time, was left.
    RetriesExhausted = "retries_exhausted",
    "Read the detail, and mend the handler's service; max_retries and deadline say how long it is \
     tried.";
    /// The handler's answer breaks the contract; the work was probably done.
    BadAnswer = "bad_answer",
    "Read the detail: it says what is wrong with the answer. Mend the handler's answer, find out \
     there whether the work was done, and `cohort retry` it if not.";
    /// The workers that tried it died.
    Poison = "poison", "Find out what in this user's settings kills the worker.";
    /// Whether it was done is unknown, and it may not be tried again.
    UnknownResult = "unknown_result",
    "Find out from the handler's service, by the key, whether it was done.";

    /// The purpose's handler asked for a pause, or has just recovered (D12).
    PurposeSlowed = "purpose_slowed", "Wait; `cohort purpose` lifts it.";
    /// The purpose's handler fails, and is only probed (D12).
    PurposeFailing = "purpose_failing",
    "Mend the handler's service: the work goes on by itself, and uses up no attempt meanwhile.";
    /// An operator has paused the purpose.
    PurposePaused = "purpose_paused", "`cohort purpose` resumes it.";
    /// An agent has it in hand.
    InProgress = "in_progress", "Wait for the handler's answer.";
    /// An attempt failed, and the next is due later.
    WaitingForRetry = "waiting_for_retry", "Wait, or see what the handler said.";
    /// It may be claimed, and nobody has yet.
    WaitingForWorker = "waiting_for_worker",
    "See whether an agent runs: `cohort runs` shows what else is open.";
    /// An earlier run of the user is still open (F10).
    WaitingForEarlierRun = "waiting_for_earlier_run", "Wait for the earlier run to end.";
    /// It was put off before its first attempt, since its settings could not be read, or its job is
    /// not served.
    Postponed = "postponed", "See whether the Config Database answers: `cohort doctor`.";
    /// The run's members are not all read yet.
    WaitingForMembers = "waiting_for_members",
    "Wait; if it lasts, see whether the Config Database answers: `cohort doctor`.";

    /// The user's group does not fire then.
    NotDue = "not_due", "Ask for one of the instants named, or change the preference.";
    /// It is still to come.
    NotYetDue = "not_yet_due", "Wait.";
    /// It is due, and no agent has planned it yet.
    NotYetPlanned = "not_yet_planned", "See whether an agent runs, and is ready: `/readyz`.";
    /// What would have fired then was stated only afterwards.
    JoinedTooLate = "joined_too_late", "Nothing: a change counts from the next occurrence (M4).";
    /// What would have fired then was stated no longer.
    LeftBefore = "left_before", "Nothing: the user changed the preference before (M4).";
    /// The user has stated nothing, and the job serves only those who have.
    NeverStated = "never_stated", "Store a preference, or set the job's enroll to everyone.";
    /// The job's filters leave the user out, or the tenant was not there yet.
    NotSelected = "not_selected", "Compare the job's filters with the tenant's labels and zone.";
    /// Neither the user nor any default says how often.
    NoFrequency = "no_frequency", "Add a frequency to the job's default_preferences.";
    /// The job was not there yet.
    JobNotYetApplied = "job_not_yet_applied", "Nothing: a job begins when it is applied (F1).";
    /// The job was removed.
    JobRemoved = "job_removed", "`cohort apply FILE` brings it back.";
    /// There is no job of this name, and never was.
    UnknownJob = "unknown_job", "`cohort jobs` lists those that there are.";
    /// There is no tenant of this name: there never was, or the person has been erased (W8).
    UnknownUser = "unknown_user", "`cohort tenants list --q PREFIX` finds those that there are.";
    /// What was stated then is no longer kept.
    BeforeRetention = "before_retention", "Nothing: it is too long ago.";
    /// It was due for the user and is nowhere on record (A1). This is a fault of Cohort.
    Unaccounted = "unaccounted", "`cohort doctor` says how much is concerned; please report it.";
}

impl Answer {
    /// Whether the job has to do with the user at the moment at all.
    pub(super) fn concerns_user(self) -> bool {
        !matches!(
            self,
            Self::NeverStated
                | Self::NotSelected
                | Self::NotDue
                | Self::JobRemoved
                | Self::JobNotYetApplied
                | Self::UnknownUser
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_answer_has_a_name_of_its_own_which_is_the_one_that_is_sent() {
        let names: BTreeSet<_> = Answer::ALL.iter().map(|answer| answer.as_str()).collect();
        assert_eq!(names.len(), Answer::ALL.len());
        for answer in Answer::ALL {
            assert_eq!(json!(answer), json!(answer.as_str()));
        }
    }
}
