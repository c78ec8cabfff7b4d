//! A Config Database that is away, or whose answers cannot be true (F4, M8).

use cohort_batch_agent::ScheduleError;
use serde_json::json;

use crate::source::{FEATURE, Faults};
use crate::stage::{Agent, Stage, daily, instant};

#[tokio::test]
async fn a_config_database_that_is_back_within_the_window_costs_time_and_no_run() {
    let stage = Stage::with_daily_users(30, &json!({}));
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:59:00Z").await;
    stage.now_away();
    agent.until("2026-12-01T10:00:00Z").await;
    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 reading succeeded=0 missed=0 -"]);
    stage.now_well();
    agent.until("2026-12-01T10:01:01Z").await;

    stage.assert_each_succeeded_once(30, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn a_config_database_that_stays_away_makes_the_run_missed_with_the_members_last_known() {
    let stage = Stage::with_daily_users(30, &json!({"catchup_window": "10m"}));
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-01T12:00:00Z").await;
    stage.now_well();
    agent.until("2026-12-01T13:00:00Z").await;

    assert_eq!(
        stage.told_runs().await,
        ["2026-12-01T09:00 closed succeeded=0 missed=30 members_unreadable"]
    );
    assert_eq!(stage.handler.calls().len(), 0);
}

#[tokio::test]
async fn a_clock_set_forward_in_an_outage_counts_the_missed_as_last_known_and_delays_nobody() {
    let stage = Stage::with_daily_users(5, &json!({}));
    let agent = stage.agent().await;
    stage.now_away();
    stage.clock.advance_to(instant("2026-12-03T09:00:00Z"));
    agent.until("2026-12-03T09:00:05Z").await;
    let missed = [
        "2026-12-01T09:00 closed succeeded=0 missed=5 downtime",
        "2026-12-02T09:00 closed succeeded=0 missed=5 downtime",
    ];
    let told = stage.told_runs().await;
    assert_eq!(told, [missed[0], missed[1], "2026-12-03T09:00 reading succeeded=0 missed=0 -"]);
    stage.now_well();
    agent.until("2026-12-03T09:10:00Z").await;

    assert_eq!(
        stage.told_runs().await.last().map(String::as_str),
        Some("2026-12-03T09:00 closed succeeded=5 missed=0 -")
    );
}

#[tokio::test]
async fn a_run_waits_for_the_feed_to_reach_its_instant_since_a_new_group_may_be_part_of_it() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:59:00Z").await;
    stage.source.faults(Faults { feed_away: true, ..Faults::default() });
    // The same preference, with the zone left to the last resort: another stated group of the same
    // preference group.
    stage.source.set("u1", json!({"frequency": "daily", "preferred_time": "09:00"}));
    agent.until("2026-12-01T09:00:05Z").await;
    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 reading succeeded=0 missed=0 -"]);
    stage.now_well();
    agent.until("2026-12-01T09:10:00Z").await;

    stage.assert_each_succeeded_once(2, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn a_list_that_differs_from_its_count_is_not_believed_and_read_again() {
    for count_off in [-1, 1] {
        let stage = Stage::with_daily_users(30, &json!({}));
        let agent = stage.agent().await;
        stage.source.faults(Faults { count_off, ..Faults::default() });
        agent.until("2026-12-01T09:30:00Z").await;
        assert_eq!(stage.handler.calls().len(), 0);
        assert!(stage.source.pages().len() > 5, "it is read again and again");
        stage.now_well();
        agent.until("2026-12-01T10:00:00Z").await;

        stage.assert_each_succeeded_once(30, &["2026-12-01T09:00"]).await;
    }
}

#[tokio::test]
async fn an_empty_list_of_a_group_that_counts_users_is_not_believed() {
    let stage = Stage::with_daily_users(30, &json!({"catchup_window": "10m"}));
    let agent = stage.agent().await;
    stage.source.faults(Faults { lists_nothing: true, ..Faults::default() });
    agent.until("2026-12-01T12:00:00Z").await;

    assert_eq!(
        stage.told_runs().await,
        ["2026-12-01T09:00 closed succeeded=0 missed=30 members_unreadable"]
    );
}

#[tokio::test]
async fn members_read_before_the_list_broke_off_are_processed_and_only_the_rest_is_missed() {
    let stage = Stage::with_daily_users(120, &json!({"catchup_window": "10m"}));
    let agent = stage.agent().await;
    let limited = Faults { page_limit: Some(50), ..Faults::default() };
    stage.source.faults(limited);
    let source = stage.source.clone();
    stage.source.after_next_page(move || source.faults(Faults { lists_nothing: true, ..limited }));
    agent.until("2026-12-01T12:00:00Z").await;

    assert_eq!(
        stage.told_runs().await,
        ["2026-12-01T09:00 closed succeeded=50 missed=70 members_unreadable"]
    );
}

#[tokio::test]
async fn nobody_listed_and_nobody_counted_closes_the_run() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:59:00Z").await;
    // The agent does not hear of it before it has opened the run.
    stage.source.delete("u0");
    stage.now_away();
    agent.until("2026-12-01T09:00:00Z").await;
    stage.now_well();
    agent.until("2026-12-01T10:00:00Z").await;

    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 closed succeeded=0 missed=0 -"]);
}

#[tokio::test]
async fn a_group_without_users_opens_no_run() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:59:00Z").await;
    stage.source.delete("u0");
    agent.until("2026-12-03T00:00:00Z").await;
    assert_eq!(stage.told_runs().await, Vec::<String>::new());
    stage.source.set("u0", daily("09:00"));
    agent.until("2026-12-03T00:00:01Z").await;
    stage.run_until("2026-12-03T10:00:00Z").await;

    assert_eq!(stage.told_runs().await, ["2026-12-03T09:00 closed succeeded=1 missed=0 -"]);
}

/// Reads the groups anew, as the agent does from time to time.
async fn read_groups(agent: &Agent) -> Result<(), ScheduleError> {
    agent.scheduler.refresh_feature_schedules(FEATURE).await
}

/// Thirty users, whom the Config Database no longer knows from a time on at which the groups are
/// read.
async fn suddenly_nobody(at: &str, job: &serde_json::Value) -> (Stage, Agent) {
    let stage = Stage::with_daily_users(30, job);
    let agent = stage.agent().await;
    agent.until(at).await;
    stage.source.faults(Faults { knows_nobody: true, ..Faults::default() });
    let read = read_groups(&agent).await;
    assert!(matches!(read, Err(ScheduleError::SuddenlyEmpty { .. })), "{read:?}");
    (stage, agent)
}

#[tokio::test]
async fn a_list_of_groups_that_is_suddenly_empty_ends_no_schedule_and_closes_no_run() {
    let (stage, agent) = suddenly_nobody("2026-12-01T08:58:00Z", &json!({})).await;
    let reason = agent.scheduler.unreadiness().await.expect("it is not ready");
    assert!(reason.contains("write_posts: the list of groups is suddenly empty"), "{reason}");
    agent.until("2026-12-01T09:05:00Z").await;
    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 reading succeeded=0 missed=0 -"]);
    stage.now_well();
    read_groups(&agent).await.expect("read");
    assert_eq!(agent.scheduler.unreadiness().await, None);
    agent.until("2026-12-01T10:00:00Z").await;

    stage.assert_each_succeeded_once(30, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn while_the_groups_are_distrusted_a_run_is_missed_with_the_members_last_known() {
    let (stage, agent) =
        suddenly_nobody("2026-12-01T08:58:00Z", &json!({"catchup_window": "5m"})).await;
    agent.until("2026-12-01T09:07:00Z").await;
    assert_eq!(
        stage.told_runs().await,
        ["2026-12-01T09:00 closed succeeded=0 missed=30 members_unreadable"]
    );
}

#[tokio::test]
async fn a_group_that_came_to_be_while_the_groups_were_distrusted_is_planned_from_its_own_start() {
    let (stage, agent) = suddenly_nobody("2026-12-01T08:57:00Z", &json!({})).await;
    // The right database is written to. By what the wrong one tells, the watermark moves to nine
    // o'clock.
    stage.source.set("unheard", daily("08:59"));
    agent.until("2026-12-01T09:05:00Z").await;
    drop(agent);
    stage.now_well();
    stage.run_until("2026-12-01T10:00:00Z").await;
    assert_eq!(stage.told_of("unheard").await, ["2026-12-01T08:59 succeeded"]);
    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 succeeded"]);
}

#[tokio::test]
async fn a_second_reading_that_names_nobody_ten_minutes_later_is_believed() {
    let (stage, agent) = suddenly_nobody("2026-12-01T08:00:00Z", &json!({})).await;
    agent.until("2026-12-01T08:09:59Z").await;
    assert!(read_groups(&agent).await.is_err());
    agent.until("2026-12-01T08:10:00Z").await;
    read_groups(&agent).await.expect("believed");
    agent.until("2026-12-02T10:00:00Z").await;
    assert_eq!((agent.scheduler.schedules().len(), stage.runs().await.len()), (0, 0));
}

#[tokio::test]
async fn a_reading_that_names_somebody_ends_the_distrust_and_another_begins_anew() {
    let (stage, agent) = suddenly_nobody("2026-12-01T08:00:00Z", &json!({})).await;
    stage.now_well();
    agent.until("2026-12-01T08:05:00Z").await;
    read_groups(&agent).await.expect("read");
    stage.source.faults(Faults { knows_nobody: true, ..Faults::default() });
    agent.until("2026-12-01T08:15:00Z").await;
    assert!(read_groups(&agent).await.is_err());
}

#[tokio::test]
async fn an_empty_list_that_the_feed_explains_is_believed_at_once() {
    let stage = Stage::with_daily_users(2, &json!({}));
    let agent = stage.agent().await;
    stage.source.delete("u0");
    stage.source.delete("u1");
    read_groups(&agent).await.expect("believed");
    assert_eq!(agent.scheduler.unreadiness().await, None);
    assert!(agent.scheduler.schedules().iter().all(|schedule| schedule.members == 0));
}
