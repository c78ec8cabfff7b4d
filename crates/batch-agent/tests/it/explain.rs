//! "Why did this user get nothing on Monday?" (A3): a scenario for each answer of the closed set,
//! in the real agent where it can be brought about there, and each trace read as its reader would.
//!
//! [`answers`] runs each scenario as a test; [`every_answer_has_a_scenario`] holds the list against
//! the set.

use cohort_batch_agent::{Answer, Explainer, Explanation, Requeue, StepName};
use cohort_preferences::BatchDocuments;
use serde_json::{Value, json};

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Agent, Backend, Stage, daily, instant};

/// The instant that most scenarios are about: Monday the 7th of December 2026, nine o'clock.
const MONDAY: &str = "2026-12-07T09:00:00Z";

/// The job with some of its fields set.
fn config(fields: &Value) -> BatchDocuments {
    let mut job = json!({
        "job_id": "write_posts", "type": "individual_batch", "purpose_id": "write",
        "preference_based": true, "feature_type": "posts"
    });
    job.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    documents(&json!([job]))
}

fn documents(jobs: &Value) -> BatchDocuments {
    let purposes = json!({"write": {"handler": "http", "url": "http://localhost:1/write"}});
    BatchDocuments::from_json(
        &json!({"batch_processing_jobs": jobs, "purposes": purposes}).to_string(),
    )
    .expect("valid")
}

/// A stage at four o'clock on Monday, whose ledger keeps the job, and no users.
async fn empty_stage(fields: &Value) -> Stage {
    let stage = Stage::at("2026-12-07T04:00:00Z", &json!({}));
    stage.registry().apply(&config(fields), "ann").await.expect("applied");
    stage
}

/// The same with `u` at nine o'clock each day.
async fn stage(fields: &Value) -> Stage {
    let stage = empty_stage(fields).await;
    stage.source.set("u", daily("09:00"));
    stage
}

async fn agent(stage: &Stage) -> Agent {
    stage.agent_of(stage.stored_builder()).await
}

async fn run_until(stage: &Stage, end: &str) {
    agent(stage).await.until(end).await;
}

async fn explain(stage: &Stage, moment: &str) -> Explanation {
    explain_of(stage, "u", "write_posts", moment).await
}

async fn explain_of(stage: &Stage, tenant: &str, job: &str, moment: &str) -> Explanation {
    let explainer = Explainer::new(stage.evidence(None));
    let (tenant, job) = (tenant.parse().expect("a tenant"), job.parse().expect("a job"));
    explainer.explain(&tenant, &job, moment.parse().expect("a moment")).await.expect("explained")
}

/// Asserts on the first line that people read.
#[track_caller]
fn says(explanation: Explanation, sentence: &str) -> Explanation {
    assert_eq!(explanation.sentence, sentence);
    explanation
}

fn steps(explanation: &Explanation) -> Vec<StepName> {
    explanation.trace.iter().map(|step| step.name).collect()
}

/// Changes the ledger behind the agent's back, as no agent of today does by itself.
fn tamper(stage: &Stage, sql: &str) {
    let changed = rusqlite::Connection::open(stage.ledger_file())
        .expect("opens")
        .execute(sql, [])
        .expect("changed");
    assert!(changed > 0, "{sql}");
}

async fn who_was_run_is_told_so_with_every_step() -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert_eq!(
        json!(steps(&why)),
        json!([
            "job",
            "preference",
            "defaults",
            "schedule",
            "planning",
            "run",
            "member",
            "chunk",
            "outcome"
        ])
    );
    assert_eq!(why.trace[8].facts["attempts"], 1);
    says(
        why,
        "u was run on Monday 7 December at 09:00 UTC: succeeded at attempt 1, with version 1 of \
         the preference",
    )
}

async fn who_had_switched_it_off_is_told_when() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.clock.advance_to(instant("2026-12-07T05:14:00Z"));
    let mut off =
        json!({"frequency": "daily", "preferred_time": "10:00", "timezone": "Europe/Berlin"});
    stage.source.set("u", off.clone());
    off["enabled"] = json!(false);
    stage.source.set("u", off);
    run_until(&stage, "2026-12-08T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07").await;
    assert_eq!(
        why.chosen.as_deref(),
        Some("2026-12-07T10:00: what would have fired on 2026-12-07")
    );
    assert_eq!(steps(&why), [StepName::Job, StepName::Preference]);
    says(
        why,
        "u was not run on Monday 7 December at 10:00 Europe/Berlin: switched off on Monday 7 \
         December at 06:14 (version 2)",
    )
}

/// What a user says between the member list and the attempt.
async fn objected(preference: Option<Value>) -> Explanation {
    let stage = stage(&json!({})).await;
    let (source, clock) = (stage.source.clone(), stage.clock.clone());
    stage.source.after_next_page(move || {
        match preference {
            Some(preference) => source.set("u", preference),
            None => source.delete("u"),
        };
        clock.advance_to(instant("2026-12-07T09:00:02Z"));
    });
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert_eq!(steps(&why).last(), Some(&StepName::Outcome));
    why
}

fn with(field: &str, value: Value) -> Value {
    let mut preference = daily("09:00");
    preference[field] = value;
    preference
}

async fn who_switched_it_off_before_the_attempt_is_told_when() -> Explanation {
    let why = objected(Some(with("enabled", json!(false)))).await;
    says(
        why,
        "u was not run on Monday 7 December at 09:00 UTC: switched off on Monday 7 December at \
         09:00 (version 2)",
    )
}

async fn who_deleted_it_before_the_attempt_is_told_when() -> Explanation {
    let why = objected(None).await;
    says(
        why,
        "u was not run on Monday 7 December at 09:00 UTC: the preference was deleted on Monday 7 \
         December at 09:00 (version 2)",
    )
}

async fn who_deleted_it_the_day_before_is_told_when_it_would_have_run() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.source.delete("u");
    run_until(&stage, "2026-12-08T12:00:00Z").await;
    let why = explain(&stage, "2026-12-08").await;
    says(
        why,
        "u was not run on Tuesday 8 December at 09:00 UTC: the preference was deleted on Monday 7 \
         December at 04:00 (version 2)",
    )
}

async fn who_snoozed_before_the_attempt_is_told_so() -> Explanation {
    objected(Some(with("snoozed_until", json!("2026-12-09T00:00:00Z")))).await
}

async fn who_has_snoozed_past_an_occurrence_to_come_is_told_until_when() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.set("u", with("snoozed_until", json!("2026-12-09T00:00:00Z")));
    let why = explain(&stage, "2026-12-08T09:00").await;
    says(
        why,
        "u will not be run on Tuesday 8 December at 09:00 UTC: snoozed until Wednesday 9 December \
         at 00:00 (version 1)",
    )
}

async fn who_asked_to_skip_it_is_told_so() -> Explanation {
    objected(Some(with("skip_next", json!("2026-12-07T09:00")))).await
}

async fn who_asked_to_skip_what_is_to_come_is_told_so() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.set("u", with("skip_next", json!("2026-12-08T09:00")));
    explain(&stage, "2026-12-08").await
}

async fn who_had_run_that_day_in_another_group_is_told_so() -> Explanation {
    let stage = stage(&json!({})).await;
    let agent = agent(&stage).await;
    agent.until("2026-12-07T09:30:00Z").await;
    stage.source.set("u", daily("10:00"));
    agent.until("2026-12-07T12:00:00Z").await;
    explain(&stage, "2026-12-07T10:00").await
}

/// `u` runs each hour, and asks to be tried again for good.
async fn slow_stage() -> Stage {
    let stage = empty_stage(&json!({"max_retries": 1_000})).await;
    stage
        .source
        .set("u", json!({"frequency": "hourly", "preferred_time": "00:00", "timezone": "UTC"}));
    stage.handler.script("u", Script::Retry { times: u32::MAX, after_s: None });
    stage
}

async fn who_had_an_earlier_run_waiting_is_told_so() -> Explanation {
    let stage = slow_stage().await;
    run_until(&stage, "2026-12-07T07:10:00Z").await;
    explain(&stage, "2026-12-07T07:00:00Z").await
}

async fn whose_earlier_run_is_open_waits_for_it() -> Explanation {
    let stage = slow_stage().await;
    run_until(&stage, "2026-12-07T06:10:00Z").await;
    explain(&stage, "2026-12-07T06:00:00Z").await
}

async fn what_fell_due_while_the_job_was_paused_says_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage
        .ledger()
        .pause_job(&"write_posts".parse().expect("a job"), stage.now())
        .await
        .expect("paused");
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    says(
        explain(&stage, MONDAY).await,
        "u was not run on Monday 7 December at 09:00 UTC: the job was paused",
    )
}

async fn what_is_to_come_while_the_job_is_paused_says_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage
        .ledger()
        .pause_job(&"write_posts".parse().expect("a job"), stage.now())
        .await
        .expect("paused");
    explain(&stage, MONDAY).await
}

/// An outcome with a reason that only other parts of an agent give.
async fn ended(status: u8, reason: &str) -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    tamper(&stage, &format!("UPDATE outcome SET status = {status}, reason = '{reason}'"));
    explain(&stage, MONDAY).await
}

async fn whose_run_was_canceled_is_told_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Retry { times: 9, after_s: Some(600) });
    run_until(&stage, "2026-12-07T09:05:00Z").await;
    let run = stage.runs().await[0].id;
    stage.ledger().cancel_run(run, stage.now()).await.expect("canceled");
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert!(steps(&why).contains(&StepName::Attempt));
    says(why, "u was not run on Monday 7 December at 09:00 UTC: an operator canceled the run")
}

async fn whose_purpose_was_disabled_is_told_so() -> Explanation {
    ended(2, "purpose_disabled").await
}

async fn whose_purpose_was_over_budget_is_told_so() -> Explanation {
    ended(2, "over_budget").await
}

async fn who_kills_workers_is_told_so() -> Explanation {
    ended(1, "poison").await
}

async fn whose_result_is_unknown_is_told_so() -> Explanation {
    ended(1, "unknown_result").await
}

async fn what_was_not_begun_before_its_deadline_has_expired() -> Explanation {
    let stage = stage(&json!({"deadline": "1h"})).await;
    run_until(&stage, "2026-12-07T08:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-07T10:30:00Z"));
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    explain(&stage, MONDAY).await
}

/// Nothing runs from eight o'clock on Monday to half past twelve on Thursday.
async fn after_downtime(misfire: &str) -> Stage {
    let stage = stage(&json!({"misfire": misfire})).await;
    stage
        .source
        .set("h", json!({"frequency": "hourly", "preferred_time": "00:00", "timezone": "UTC"}));
    run_until(&stage, "2026-12-07T08:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-12T12:30:00Z"));
    run_until(&stage, "2026-12-12T13:30:00Z").await;
    stage
}

async fn what_was_due_while_nothing_ran_was_missed() -> Explanation {
    let why = explain(&after_downtime("latest").await, MONDAY).await;
    assert_eq!(steps(&why)[4..], [StepName::Planning, StepName::Run, StepName::Member]);
    says(
        why,
        "u was not run on Monday 7 December at 09:00 UTC: nothing ran when it was due, and \
         afterwards it was too late",
    )
}

async fn what_a_job_skips_that_it_missed_says_so() -> Explanation {
    explain(&after_downtime("skip").await, MONDAY).await
}

async fn what_was_too_much_to_catch_up_on_says_so() -> Explanation {
    explain_of(&after_downtime("all").await, "h", "write_posts", MONDAY).await
}

async fn whose_list_could_not_be_read_in_time_is_told_so() -> Explanation {
    let stage = stage(&json!({"catchup_window": "1h"})).await;
    let agent = agent(&stage).await;
    stage.source.faults(Faults { lists_nothing: true, ..Faults::default() });
    agent.until("2026-12-07T12:00:00Z").await;
    explain(&stage, MONDAY).await
}

async fn whose_list_cannot_be_read_yet_waits() -> Explanation {
    let stage = stage(&json!({})).await;
    let agent = agent(&stage).await;
    stage.source.faults(Faults { lists_nothing: true, ..Faults::default() });
    agent.until("2026-12-07T09:05:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert!(why.sentence.starts_with(
        "u is still to be run for Monday 7 December at 09:00 UTC: the \
        run's members could not be read"
    ));
    why
}

async fn whom_the_handler_refused_is_told_what_it_said() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Fail);
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert!(
        why.sentence.contains("and it failed: rejected (no such account), attempted once"),
        "{}",
        why.sentence
    );
    why
}

async fn whose_retries_are_used_up_is_told_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Retry { times: 9, after_s: None });
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    explain(&stage, MONDAY).await
}

async fn who_is_to_be_tried_again_is_told_when() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Retry { times: 1, after_s: Some(3_600) });
    run_until(&stage, "2026-12-07T09:05:00Z").await;
    let why = explain(&stage, MONDAY).await;
    let sentence = "u is still to be run for Monday 7 December at 09:00 UTC: attempted once; the \
        next attempt is not before \
                    Monday 7 December at 10:00";
    says(why, sentence)
}

/// An agent that died in the middle of the call.
async fn after_a_death() -> Stage {
    let stage = stage(&json!({})).await;
    stage.handler.script("u", Script::Hang);
    let dying = agent(&stage).await;
    tokio::select! {
        () = dying.until("2026-12-07T12:00:00Z") => panic!("the handler should hang"),
        () = stage.handler.hung.notified() => {}
    }
    stage
}

async fn what_an_agent_has_in_hand_is_in_progress() -> Explanation {
    explain(&after_a_death().await, MONDAY).await
}

async fn what_a_dead_agent_had_in_hand_waits_for_another() -> Explanation {
    let stage = after_a_death().await;
    stage.clock.advance_to(instant("2026-12-07T09:05:00Z"));
    let why = explain(&stage, MONDAY).await;
    assert!(why.sentence.contains("has not been heard of for a while"), "{}", why.sentence);
    why
}

async fn whose_settings_could_not_be_read_is_put_off() -> Explanation {
    let stage = after_a_death().await;
    stage.handler.forget_scripts();
    let second = agent(&stage).await;
    stage.now_away();
    second.until("2026-12-07T09:00:02Z").await;
    stage.now_well();
    explain(&stage, MONDAY).await
}

async fn what_does_not_fire_then_names_the_occurrences_around() -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07T10:00:00Z").await;
    let sentence = "u was not run on Monday 7 December at 10:00 UTC: daily:09:00 in UTC does not \
        fire then: before on Monday 7 December at \
                    09:00, next on Tuesday 8 December at 09:00";
    says(why, sentence)
}

async fn what_is_to_come_is_not_yet_due() -> Explanation {
    let why = explain(&stage(&json!({})).await, MONDAY).await;
    says(why, "u will be run on Monday 7 December at 09:00 UTC: in 5 hours")
}

async fn what_no_agent_has_planned_says_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.clock.advance_to(instant("2026-12-07T09:05:00Z"));
    let why = explain(&stage, MONDAY).await;
    assert!(
        why.sentence
            .contains("no agent has planned it: planning stands at Monday 7 December at 04:00"),
        "{}",
        why.sentence
    );
    why
}

async fn who_stated_it_only_afterwards_joined_too_late() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.clock.advance_to(instant("2026-12-07T09:30:00Z"));
    stage.source.set("u", daily("09:00"));
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07").await;
    let sentence = "u was not run on Monday 7 December at 09:00 UTC: nothing was stated before \
        Monday 7 December at 09:30 (version 1)";
    says(why, sentence)
}

async fn who_moved_to_that_time_only_afterwards_joined_too_late() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.set("u", daily("10:00"));
    let agent = agent(&stage).await;
    agent.until("2026-12-07T09:30:00Z").await;
    stage.source.set("u", daily("09:00"));
    agent.until("2026-12-07T12:00:00Z").await;
    explain(&stage, "2026-12-07T09:00").await
}

async fn who_moved_away_before_left() -> Explanation {
    let stage = stage(&json!({})).await;
    let agent = agent(&stage).await;
    agent.until("2026-12-07T08:30:00Z").await;
    stage.source.set("u", daily("10:00"));
    agent.until("2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07T09:00").await;
    let sentence = "u was not run on Monday 7 December at 09:00 UTC: it was changed to daily:10:00 \
        in UTC on Monday 7 December at 08:30 \
                    (version 2)";
    says(why, sentence)
}

async fn who_states_nothing_is_not_served_by_a_job_for_those_who_do() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.introduce("u", Some("Europe/Berlin"));
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    explain(&stage, MONDAY).await
}

async fn who_states_nothing_is_run_by_a_job_for_everyone() -> Explanation {
    let stage =
        empty_stage(&json!({"enroll": "everyone", "default_preferences": {"frequency": "daily"}}))
            .await;
    stage.source.introduce("u", Some("Europe/Berlin"));
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "2026-12-07").await;
    says(why, "u was run on Monday 7 December at 09:00 Europe/Berlin: succeeded at attempt 1")
}

/// A job with a schedule of its own that serves these tenants.
async fn static_stage(tenants: &Value) -> Stage {
    let stage = Stage::at("2026-12-07T04:00:00Z", &json!({}));
    let job = json!({
        "job_id": "write_posts", "type": "individual_batch", "purpose_id": "write",
        "feature_type": "posts",
        "schedule": {"frequency": "daily", "time": "09:00"}, "filters": {"tenant_ids": tenants}
    });
    stage.registry().apply(&documents(&json!([job])), "ann").await.expect("applied");
    stage.source.introduce("u", None);
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    stage
}

async fn whom_the_filters_leave_out_is_told_so() -> Explanation {
    explain(&static_stage(&json!(["v"])).await, MONDAY).await
}

async fn whom_the_filters_leave_is_run() -> Explanation {
    explain(&static_stage(&json!(["u"])).await, MONDAY).await
}

async fn what_no_default_completes_names_the_field() -> Explanation {
    let stage = empty_stage(&json!({})).await;
    stage.source.set("u", json!({"preferred_time": "09:00"}));
    let why = explain(&stage, MONDAY).await;
    assert!(
        why.sentence.ends_with("neither the preference nor any default states the frequency"),
        "{}",
        why.sentence
    );
    why
}

async fn what_was_before_the_job_says_so() -> Explanation {
    let why = explain(&stage(&json!({})).await, "2026-12-06T09:00:00Z").await;
    assert!(
        why.sentence
            .ends_with("the job write_posts was applied only on Monday 7 December at 04:00"),
        "{}",
        why.sentence
    );
    why
}

async fn what_a_removed_job_would_have_done_says_who_removed_it() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.registry().apply(&documents(&json!([])), "ben").await.expect("applied");
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert!(
        why.sentence
            .ends_with("the job write_posts was removed on Monday 7 December at 04:00 by ben"),
        "{}",
        why.sentence
    );
    why
}

async fn a_job_that_there_is_not_is_said_to_be_none() -> Explanation {
    says(
        explain_of(&stage(&json!({})).await, "u", "write_post", MONDAY).await,
        "there is no job write_post",
    )
}

async fn a_user_whom_there_is_not_is_said_to_be_none() -> Explanation {
    let why = explain_of(&stage(&json!({})).await, "uu", "write_posts", MONDAY).await;
    says(why, "there is no user uu: there never was, or the person has been erased")
}

async fn what_is_no_longer_kept_says_so() -> Explanation {
    let stage = stage(&json!({})).await;
    stage.clock.advance_to(instant("2026-12-09T00:00:00Z"));
    stage.source.set("u", daily("10:00"));
    stage.source.keep_last_changes("u", 1);
    explain(&stage, MONDAY).await
}

async fn whose_run_the_ledger_has_forgotten_is_told_so() -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-08T12:00:00Z").await;
    stage.ledger().prune(instant("2026-12-07T12:00:00Z"), 1_000).await.expect("pruned");
    explain(&stage, MONDAY).await
}

async fn a_run_that_is_not_on_record_is_unaccounted_for() -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    for table in ["run", "chunk", "outcome"] {
        tamper(&stage, &format!("DELETE FROM {table}"));
    }
    explain(&stage, MONDAY).await
}

macro_rules! scenarios {
    ($($answer:ident: $($scenario:ident),+;)*) => {
        mod answers {
            use cohort_batch_agent::Answer;

            $($(
                #[tokio::test]
                async fn $scenario() {
                    assert_eq!(super::$scenario().await.answer, Answer::$answer);
                }
            )+)*
        }

        /// The answers that scenarios give.
        const ANSWERED: &[Answer] = &[$(Answer::$answer,)*];
    };
}

scenarios! {
    Succeeded: who_was_run_is_told_so_with_every_step,
    who_states_nothing_is_run_by_a_job_for_everyone, whom_the_filters_leave_is_run;
    Disabled: who_had_switched_it_off_is_told_when,
    who_switched_it_off_before_the_attempt_is_told_when;
    Deleted: who_deleted_it_before_the_attempt_is_told_when,
    who_deleted_it_the_day_before_is_told_when_it_would_have_run;
    Snoozed: who_snoozed_before_the_attempt_is_told_so,
    who_has_snoozed_past_an_occurrence_to_come_is_told_until_when;
    SkippedByUser: who_asked_to_skip_it_is_told_so, who_asked_to_skip_what_is_to_come_is_told_so;
    AlreadyRan: who_had_run_that_day_in_another_group_is_told_so;
    Overlap: who_had_an_earlier_run_waiting_is_told_so;
    JobPaused: what_fell_due_while_the_job_was_paused_says_so,
    what_is_to_come_while_the_job_is_paused_says_so;
    Canceled: whose_run_was_canceled_is_told_so;
    PurposeDisabled: whose_purpose_was_disabled_is_told_so;
    OverBudget: whose_purpose_was_over_budget_is_told_so;
    Expired: what_was_not_begun_before_its_deadline_has_expired;
    Downtime: what_was_due_while_nothing_ran_was_missed;
    MisfireSkip: what_a_job_skips_that_it_missed_says_so;
    MisfireLimit: what_was_too_much_to_catch_up_on_says_so;
    MembersUnreadable: whose_list_could_not_be_read_in_time_is_told_so;
    Rejected: whom_the_handler_refused_is_told_what_it_said;
    RetriesExhausted: whose_retries_are_used_up_is_told_so;
    Poison: who_kills_workers_is_told_so;
    UnknownResult: whose_result_is_unknown_is_told_so;
    InProgress: what_an_agent_has_in_hand_is_in_progress;
    WaitingForRetry: who_is_to_be_tried_again_is_told_when;
    WaitingForWorker: what_a_dead_agent_had_in_hand_waits_for_another;
    WaitingForEarlierRun: whose_earlier_run_is_open_waits_for_it;
    Postponed: whose_settings_could_not_be_read_is_put_off;
    WaitingForMembers: whose_list_cannot_be_read_yet_waits;
    NotDue: what_does_not_fire_then_names_the_occurrences_around;
    NotYetDue: what_is_to_come_is_not_yet_due;
    NotYetPlanned: what_no_agent_has_planned_says_so;
    JoinedTooLate: who_stated_it_only_afterwards_joined_too_late,
    who_moved_to_that_time_only_afterwards_joined_too_late;
    LeftBefore: who_moved_away_before_left;
    NeverStated: who_states_nothing_is_not_served_by_a_job_for_those_who_do;
    NotSelected: whom_the_filters_leave_out_is_told_so;
    NoFrequency: what_no_default_completes_names_the_field;
    JobNotYetApplied: what_was_before_the_job_says_so;
    JobRemoved: what_a_removed_job_would_have_done_says_who_removed_it;
    UnknownJob: a_job_that_there_is_not_is_said_to_be_none;
    UnknownUser: a_user_whom_there_is_not_is_said_to_be_none;
    BeforeRetention: what_is_no_longer_kept_says_so, whose_run_the_ledger_has_forgotten_is_told_so;
    Unaccounted: a_run_that_is_not_on_record_is_unaccounted_for;
}

#[test]
fn every_answer_has_a_scenario() {
    assert_eq!(ANSWERED, Answer::ALL);
}

/// A user who fails, is requeued and succeeds, then forgotten: asked why at each step, and
/// accounted for.
async fn a_requeued_user_is_explained(backend: Backend) {
    let stage = Stage::at("2026-12-07T04:00:00Z", &json!({})).on(backend).await;
    stage.registry().apply(&config(&json!({})), "ann").await.expect("applied");
    stage.source.set("u", daily("09:00"));
    stage.handler.script("u", Script::Fail);
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    assert_eq!(explain(&stage, MONDAY).await.answer, Answer::Rejected);

    let requeue =
        Requeue { places: vec![(stage.runs().await[0].id, 0)], key_nonce: None, at: stage.now() };
    assert_eq!(stage.ledger().requeue(requeue).await.expect("requeued"), 1);
    let open = stage.ledger().open_work(stage.now()).await.expect("counted");
    assert_eq!(
        (open.runs_processing, open.chunks_ready, open.oldest_ready_at),
        (1, 1, Some(stage.now()))
    );
    let why = explain(&stage, MONDAY).await;
    assert_eq!(
        (why.answer, steps(&why).last()),
        (Answer::WaitingForWorker, Some(&StepName::Attempt))
    );
    assert!(
        why.sentence.contains("attempted once, requeued on Monday 7 December at 12:00"),
        "{}",
        why.sentence
    );

    stage.handler.forget_scripts();
    run_until(&stage, "2026-12-08T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert_eq!((why.answer, steps(&why).contains(&StepName::Attempt)), (Answer::Succeeded, true));
    let report = stage.completeness("2026-12-07T00:00:00Z").await;
    assert_eq!(
        (report.unaccounted, report.jobs[0].on_record, report.jobs[0].members),
        (0, 2, Some(2))
    );

    stage.clock.advance_to(instant("2026-12-09T00:00:00Z"));
    stage.ledger().prune(instant("2026-12-08T13:00:00Z"), 1_000).await.expect("pruned");
    assert_eq!(explain(&stage, MONDAY).await.answer, Answer::BeforeRetention);
}

#[tokio::test]
async fn a_requeued_user_is_explained_on_sqlite() {
    a_requeued_user_is_explained(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_requeued_user_is_explained_on_postgresql() {
    a_requeued_user_is_explained(Backend::Postgres).await;
}
