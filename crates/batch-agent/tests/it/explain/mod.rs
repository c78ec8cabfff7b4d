//! "Why did this user get nothing on Monday?" (A3): a scenario for each answer of the closed set,
//! in the real agent where it can be brought about there, and each trace read as its reader would.
//!
//! [`answers`] runs each scenario as a test; [`every_answer_has_a_scenario`] holds the list against
//! the set.

mod by_hand;
mod ended;
mod missed;
mod not_due;
mod open;
mod requeued;
mod scene;
mod skipped;
mod unknown;

use cohort_batch_agent::Answer;

macro_rules! scenarios {
    ($($answer:ident: $($module:ident::$scenario:ident),+;)*) => {
        mod answers {
            use cohort_batch_agent::Answer;

            $($(
                #[tokio::test]
                async fn $scenario() {
                    assert_eq!(super::$module::$scenario().await.answer, Answer::$answer);
                }
            )+)*
        }

        /// The answers that scenarios give.
        const ANSWERED: &[Answer] = &[$(Answer::$answer,)*];
    };
}

scenarios! {
    Succeeded: ended::who_was_run_is_told_so_with_every_step,
    ended::who_states_nothing_is_run_by_a_job_for_everyone, ended::whom_the_filters_leave_is_run;
    Disabled: skipped::who_had_switched_it_off_is_told_when,
    skipped::who_switched_it_off_before_the_attempt_is_told_when;
    Deleted: skipped::who_deleted_it_before_the_attempt_is_told_when,
    skipped::who_deleted_it_the_day_before_is_told_when_it_would_have_run;
    Snoozed: skipped::who_snoozed_before_the_attempt_is_told_so,
    skipped::who_has_snoozed_past_an_occurrence_to_come_is_told_until_when;
    SkippedByUser: skipped::who_asked_to_skip_it_is_told_so,
    skipped::who_asked_to_skip_what_is_to_come_is_told_so;
    AlreadyRan: skipped::who_had_run_that_day_in_another_group_is_told_so;
    Overlap: skipped::who_had_an_earlier_run_waiting_is_told_so;
    JobPaused: skipped::what_fell_due_while_the_job_was_paused_says_so,
    skipped::what_is_to_come_while_the_job_is_paused_says_so;
    Canceled: skipped::whose_run_was_canceled_is_told_so;
    PurposeDisabled: skipped::whose_purpose_was_disabled_is_told_so;
    OverBudget: skipped::whose_purpose_was_over_budget_is_told_so;
    Expired: skipped::what_was_not_begun_before_its_deadline_has_expired;
    Downtime: missed::what_was_due_while_nothing_ran_was_missed;
    MisfireSkip: missed::what_a_job_skips_that_it_missed_says_so;
    MisfireLimit: missed::what_was_too_much_to_catch_up_on_says_so;
    MembersUnreadable: missed::whose_list_could_not_be_read_in_time_is_told_so;
    Rejected: ended::whom_the_handler_refused_is_told_what_it_said;
    RetriesExhausted: ended::whose_retries_are_used_up_is_told_so;
    BadAnswer: ended::whose_answer_breaks_the_contract_is_told_so;
    Poison: ended::who_kills_workers_is_told_so;
    UnknownResult: ended::whose_result_is_unknown_is_told_so;
    PurposeSlowed: open::whose_purpose_is_slowed_is_told_until_when;
    PurposeFailing: open::whose_purpose_is_failing_is_told_of_the_next_probe;
    PurposePaused: open::whose_purpose_is_paused_is_told_by_whom;
    InProgress: open::what_an_agent_has_in_hand_is_in_progress;
    WaitingForRetry: open::who_is_to_be_tried_again_is_told_when;
    WaitingForWorker: open::what_a_dead_agent_had_in_hand_waits_for_another;
    WaitingForEarlierRun: open::whose_earlier_run_is_open_waits_for_it;
    Postponed: open::whose_settings_could_not_be_read_is_put_off;
    WaitingForMembers: open::whose_list_cannot_be_read_yet_waits;
    NotDue: not_due::what_does_not_fire_then_names_the_occurrences_around;
    NotYetDue: not_due::what_is_to_come_is_not_yet_due;
    NotYetPlanned: not_due::what_no_agent_has_planned_says_so;
    JoinedTooLate: not_due::who_stated_it_only_afterwards_joined_too_late,
    not_due::who_moved_to_that_time_only_afterwards_joined_too_late;
    LeftBefore: not_due::who_moved_away_before_left;
    NeverStated: not_due::who_states_nothing_is_not_served_by_a_job_for_those_who_do;
    NotSelected: not_due::whom_the_filters_leave_out_is_told_so;
    NoFrequency: not_due::what_no_default_completes_names_the_field;
    JobNotYetApplied: unknown::what_was_before_the_job_says_so;
    JobRemoved: unknown::what_a_removed_job_would_have_done_says_who_removed_it;
    UnknownJob: unknown::a_job_that_there_is_not_is_said_to_be_none;
    UnknownUser: unknown::a_user_whom_there_is_not_is_said_to_be_none;
    BeforeRetention: unknown::what_is_no_longer_kept_says_so,
    unknown::whose_run_the_ledger_has_forgotten_is_told_so;
    Unaccounted: unknown::a_run_that_is_not_on_record_is_unaccounted_for;
}

#[test]
fn every_answer_has_a_scenario() {
    assert_eq!(ANSWERED, Answer::ALL);
}
