//! The agent by its behaviour: the real scheduler, processor and SQLite ledger in simulated time,
//! between a Config Database ([`source`]) and a handler ([`handler`]) that are the tests' own and
//! can be told to misbehave.
//!
//! [`stage`] puts them together. Each module proves one part of the semantics and names the rules
//! by their ids. An agent "dies" by being dropped while it waits for an answer that never comes:
//! its claims stay open in the file.
//!
//! These bugs were planted, one after another, to see that the tests can fail:
//!
//! - outcomes are recorded without a look at the token (F3):
//!   `ledger::an_agent_whose_claim_has_passed_on_records_nothing`
//! - M6 is not looked up: seven of `membership`
//! - a list shorter than its count is believed (M8): three of `faults`
//! - a run read late looks nobody up (M6):
//!   `membership::a_run_that_is_read_late_does_not_repeat_who_has_meanwhile_run_in_a_later_group`
//! - every group is planned from the watermark on (F1):
//!   `restart::a_group_that_came_to_be_unheard_before_the_watermark_is_planned_from_its_own_start`
//! - a run is read before the feed has reached its instant:
//!   `faults::a_run_waits_for_the_feed_to_reach_its_instant_since_a_new_group_may_be_part_of_it`
//! - a retry takes today's settings (M3):
//!   `consent::a_retry_reuses_the_first_attempts_settings_and_the_next_run_reads_anew`
//! - a canceled run is not asked for once more when a call may begin:
//!   `operations::cancel::of_a_canceled_run_those_in_flight_end_honestly_and_nobody_else_is_called`
//! - members of a canceled run who were never read are not counted:
//!   `members_who_were_never_read_count_as_skipped_and_a_second_cancel_changes_nothing` of
//!   `operations::cancel`
//! - a requeue does not look at the status:
//!   `operations::chosen::of_two_who_requeue_at_once_one_does`
//! - deadline, or retries, of a requeue count from the occurrence:
//!   `a_requeue_has_retries_and_a_deadline_of_its_own_and_every_attempt_is_listed` of
//!   `operations::requeue`
//! - requeued runs count in full for F10:
//!   `operations::requeue::todays_run_of_a_user_waits_for_a_requeue_and_is_not_skipped_for_several`
//! - a requeue forgets the failure:
//!   `record::a_requeued_user_appears_again_and_the_failure_is_still_seen_by_who_reads_late`
//! - consent is asked once only, before the call waits for its turn (M2): two of `last_look`
//! - calls begin without a look at the ledger (F5): both of `pulse`
//! - the check alarms at once: `completeness::what_is_recorded_while_it_is_checked_raises_no_alarm`
//! - names go although a run is kept: `record::an_open_run_is_kept_and_a_reopened_one_begins_anew`

mod chunks;
mod clock_changes;
mod completeness;
mod connected;
mod consent;
mod defaults;
mod definitions;
mod erasure;
mod explain;
mod fair_shares;
mod faults;
mod faulty_ledger;
mod handler;
mod http;
mod interleaving;
mod last_look;
mod ledger;
mod live;
mod lives;
mod membership;
mod misfires;
mod model;
mod network;
mod nth_operation;
mod nth_rerun;
mod operations;
#[path = "../../../preferences/tests/it/oracle.rs"]
mod oracle;
mod outage;
mod overlap;
mod poison;
mod preference_batch;
mod priorities;
mod pulse;
mod purpose_health;
mod record;
mod restart;
mod retries;
mod seeded;
mod shared;
mod simulation;
mod source;
mod spans;
mod stage;
mod stated_preferences;
mod together;
mod tzdb;
