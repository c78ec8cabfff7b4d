//! Death, restart and downtime (D2, F1, F3).

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Stage, daily, instant};

#[tokio::test]
async fn an_agent_killed_in_the_middle_of_a_run_leaves_one_outcome_each_after_the_next_start() {
    for kind in ["individual_batch", "batch_as_object"] {
        let stage = Stage::with_daily_users(120, &json!({"type": kind}));
        stage.handler.script("u30", Script::Hang);
        stage.handler.script("u90", Script::Retry { times: 1, after_s: Some(60) });
        stage.run_until_killed().await;
        assert!(stage.outcomes().await.len() < 120, "{kind}: it died in the middle");
        stage.handler.forget_scripts();
        stage.run_until("2026-12-02T12:00:00Z").await;

        stage.assert_each_succeeded_once(120, &["2026-12-01T09:00", "2026-12-02T09:00"]).await;
        assert!(stage.runs().await.iter().all(|run| run.closed_at.is_some()));
    }
}

#[tokio::test]
async fn an_agent_killed_many_times_at_many_places_loses_and_doubles_nothing() {
    let stage = Stage::with_daily_users(120, &json!({}));
    for day in ["2026-12-01", "2026-12-02"] {
        for place in 0..3 {
            let of_day = stage
                .outcomes()
                .await
                .into_iter()
                .filter(|outcome| outcome.nominal.to_string().starts_with(day));
            let ended: HashSet<_> = of_day.map(|outcome| outcome.tenant_id.to_string()).collect();
            let open: Vec<_> = (0..120)
                .map(|user| format!("u{user}"))
                .filter(|user| !ended.contains(user))
                .collect();
            stage.handler.forget_scripts();
            // Another user each time: one who kills again and again would be poison (D5).
            stage.handler.script(&open[place * 7 % open.len()], Script::Hang);
            stage.run_until_killed().await;
        }
        stage.handler.forget_scripts();
        stage.run_until(&format!("{day}T12:00:00Z")).await;
    }
    stage.assert_each_succeeded_once(120, &["2026-12-01T09:00", "2026-12-02T09:00"]).await;
}

#[tokio::test]
async fn an_agent_killed_between_opening_a_run_and_reading_it_loses_nothing() {
    let stage = Stage::with_daily_users(30, &json!({}));
    stage.source.faults(Faults { hangs_from: Some(0), ..Faults::default() });
    stage.run_until_killed().await;
    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 reading succeeded=0 missed=0 -"]);
    stage.now_well();
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(30, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn an_agent_killed_between_two_pages_goes_on_with_the_second() {
    let stage = Stage::with_daily_users(120, &json!({}));
    stage.source.faults(Faults { page_limit: Some(50), hangs_from: Some(50), ..Faults::default() });
    stage.run_until_killed().await;
    assert_eq!(stage.source.pages(), [50]);
    stage.source.faults(Faults { page_limit: Some(50), ..Faults::default() });
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(120, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.source.pages(), [50, 50, 20]);
    assert_eq!(stage.runs().await[0].counts.members, 120);
}

#[tokio::test]
async fn a_new_job_starts_at_now() {
    let stage = Stage::with_daily_users(3, &json!({"misfire": "all"}));
    stage.clock.advance_to(instant("2026-12-05T10:00:00Z"));
    stage.run_until("2026-12-06T09:00:00Z").await;

    assert_eq!(stage.told_runs().await, ["2026-12-06T09:00 closed succeeded=3 missed=0 -"]);
}

/// Five users run on the first of December; a sixth joins on the third; the agent is down until
/// `back`.
async fn after_downtime(misfire: &str, back: &str) -> Stage {
    let stage = Stage::with_daily_users(5, &json!({"misfire": misfire}));
    stage.run_until("2026-12-01T10:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-03T03:00:00Z"));
    stage.source.set("u5", daily("09:00"));
    stage.clock.advance_to(instant(back));
    let agent = stage.agent().await;
    agent.until("2026-12-04T23:00:00Z").await;
    stage
}

const FIRST: &str = "2026-12-01T09:00 closed succeeded=5 missed=0 -";

#[tokio::test]
async fn after_three_days_down_the_latest_fires_and_the_others_are_missed_with_their_members() {
    let stage = after_downtime("latest", "2026-12-04T20:00:00Z").await;
    let expected = [
        FIRST,
        "2026-12-02T09:00 closed succeeded=0 missed=5 downtime",
        "2026-12-03T09:00 closed succeeded=0 missed=6 downtime",
        "2026-12-04T09:00 closed succeeded=6 missed=0 -",
    ];
    assert_eq!(stage.told_runs().await, expected);
}

#[tokio::test]
async fn after_the_catch_up_window_even_the_latest_is_missed() {
    let stage = after_downtime("latest", "2026-12-04T21:00:01Z").await;
    let last = stage.told_runs().await.pop();
    assert_eq!(last.as_deref(), Some("2026-12-04T09:00 closed succeeded=0 missed=6 downtime"));
}

#[tokio::test]
async fn after_three_days_down_misfire_all_fires_each_for_the_members_of_its_instant() {
    let stage = after_downtime("all", "2026-12-04T20:00:00Z").await;
    let expected = [
        FIRST,
        "2026-12-02T09:00 closed succeeded=5 missed=0 -",
        "2026-12-03T09:00 closed succeeded=6 missed=0 -",
        "2026-12-04T09:00 closed succeeded=6 missed=0 -",
    ];
    assert_eq!(stage.told_runs().await, expected);
    let of_one: Vec<_> = stage.told_of("u5").await;
    assert_eq!(
        of_one,
        ["2026-12-03T09:00 succeeded", "2026-12-04T09:00 succeeded"],
        "oldest first"
    );
}

#[tokio::test]
async fn after_three_days_down_misfire_skip_fires_none() {
    let stage = after_downtime("skip", "2026-12-04T20:00:00Z").await;
    let expected = [
        FIRST,
        "2026-12-02T09:00 closed succeeded=0 missed=5 misfire_skip",
        "2026-12-03T09:00 closed succeeded=0 missed=6 misfire_skip",
        "2026-12-04T09:00 closed succeeded=0 missed=6 misfire_skip",
    ];
    assert_eq!(stage.told_runs().await, expected);
}

#[tokio::test]
async fn a_second_restart_finds_everything_planned_and_adds_nothing() {
    let stage = after_downtime("latest", "2026-12-04T20:00:00Z").await;
    let before = stage.told_runs().await;
    stage.run_until("2026-12-04T23:30:00Z").await;
    stage.run_until("2026-12-04T23:40:00Z").await;
    assert_eq!(stage.told_runs().await, before);
}

fn at(time: &str) -> Value {
    daily(time)
}

#[tokio::test]
async fn a_group_that_came_to_be_during_the_downtime_is_planned_from_its_own_start() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.run_until("2026-12-01T10:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-01T12:00:00Z"));
    stage.source.set("before", at("15:00"));
    stage.clock.advance_to(instant("2026-12-01T14:30:00Z"));
    stage.source.set("after", at("14:00"));
    stage.clock.advance_to(instant("2026-12-01T16:00:00Z"));
    stage.run_until("2026-12-01T20:00:00Z").await;

    assert_eq!(stage.told_of("before").await, ["2026-12-01T15:00 succeeded"]);
    assert_eq!(stage.told_of("after").await, Vec::<String>::new());
    assert_eq!(stage.runs().await.len(), 2);
}

#[tokio::test]
async fn a_group_that_emptied_during_the_downtime_is_accounted_for_up_to_its_end() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.run_until("2026-12-01T10:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-02T12:00:00Z"));
    stage.source.delete("u0");
    stage.clock.advance_to(instant("2026-12-04T20:00:00Z"));
    stage.run_until("2026-12-05T20:00:00Z").await;

    let expected = [
        "2026-12-01T09:00 closed succeeded=1 missed=0 -",
        "2026-12-02T09:00 closed succeeded=0 missed=1 downtime",
    ];
    assert_eq!(stage.told_runs().await, expected);
}

#[tokio::test]
async fn a_group_that_came_to_be_unheard_before_the_watermark_is_planned_from_its_own_start() {
    for dies in [false, true] {
        let stage = Stage::with_daily_users(1, &json!({}));
        let mut agent = stage.agent().await;
        agent.until("2026-12-01T08:59:00Z").await;
        stage.now_away();
        stage.source.set(
            "unheard",
            json!({"frequency": "daily", "preferred_time": "10:00", "timezone": "Europe/Berlin"}),
        );
        // The watermark moves to nine o'clock with the run of the group known, a minute past what
        // the feed has told.
        agent.until("2026-12-01T09:05:00Z").await;
        stage.now_well();
        if dies {
            agent = stage.agent().await;
        }
        agent.until("2026-12-01T12:00:00Z").await;

        assert_eq!(stage.told_of("unheard").await, ["2026-12-01T10:00 succeeded"], "dies: {dies}");
        assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 succeeded"]);
    }
}

/// A group is missed, everybody leaves it, an agent starts, and the service goes away at once.
async fn started_into_an_outage(leave_at: &str, job: &Value) -> (Stage, crate::stage::Agent) {
    let stage = Stage::with_daily_users(2, job);
    stage.run_until("2026-12-01T10:00:00Z").await;
    stage.clock.advance_to(instant(leave_at));
    stage.source.delete("u0");
    stage.source.delete("u1");
    stage.clock.advance_to(instant("2026-12-04T20:00:00Z"));
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-04T20:30:00Z").await;
    (stage, agent)
}

#[tokio::test]
async fn a_start_into_an_outage_counts_later_what_a_group_missed_that_is_empty_now() {
    let (stage, agent) = started_into_an_outage("2026-12-02T12:00:00Z", &json!({})).await;
    let uncounted = "2026-12-02T09:00 reading succeeded=0 missed=0 downtime";
    assert_eq!(
        stage.told_runs().await,
        ["2026-12-01T09:00 closed succeeded=2 missed=0 -", uncounted]
    );
    stage.now_well();
    agent.until("2026-12-04T21:00:00Z").await;

    let counted = "2026-12-02T09:00 closed succeeded=0 missed=2 downtime";
    assert_eq!(
        stage.told_runs().await,
        ["2026-12-01T09:00 closed succeeded=2 missed=0 -", counted]
    );
    assert_eq!(stage.handler.calls().len(), 2, "nobody is called late");
}

#[tokio::test]
async fn an_outage_that_outlasts_the_window_of_a_group_that_is_empty_now_is_counted_afterwards() {
    let (stage, agent) =
        started_into_an_outage("2026-12-04T10:00:00Z", &json!({"catchup_window": "11h"})).await;
    let last = async || stage.told_runs().await.pop().expect("a run");
    assert_eq!(last().await, "2026-12-04T09:00 reading succeeded=0 missed=0 members_unreadable");
    stage.now_well();
    agent.until("2026-12-04T21:00:00Z").await;
    assert_eq!(last().await, "2026-12-04T09:00 closed succeeded=0 missed=2 members_unreadable");
}
