//! A Config Database that is away, or whose answers cannot be true (F4, M8).

use serde_json::json;

use crate::source::Faults;
use crate::stage::{Stage, instant};

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

    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 closed succeeded=0 missed=30 members_unreadable"]);
    assert_eq!(stage.handler.calls().len(), 0);
}

#[tokio::test]
async fn a_clock_set_forward_while_the_config_database_is_away_counts_the_missed_as_last_known_and_holds_up_nobody() {
    let stage = Stage::with_daily_users(5, &json!({}));
    let agent = stage.agent().await;
    stage.now_away();
    stage.clock.advance_to(instant("2026-12-03T09:00:00Z"));
    agent.until("2026-12-03T09:00:05Z").await;
    let missed = ["2026-12-01T09:00 closed succeeded=0 missed=5 downtime", "2026-12-02T09:00 closed succeeded=0 missed=5 downtime"];
    let told = stage.told_runs().await;
    assert_eq!(told, [missed[0], missed[1], "2026-12-03T09:00 reading succeeded=0 missed=0 -"]);
    stage.now_well();
    agent.until("2026-12-03T09:10:00Z").await;

    assert_eq!(stage.told_runs().await.last().map(String::as_str), Some("2026-12-03T09:00 closed succeeded=5 missed=0 -"));
}

#[tokio::test]
async fn a_run_waits_for_the_feed_to_reach_its_instant_since_a_new_group_may_be_part_of_it() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let agent = stage.agent().await;
    agent.until("2026-12-01T08:59:00Z").await;
    stage.source.faults(Faults { feed_away: true, ..Faults::default() });
    // The same wish, with the zone left to the last resort: another stated group of the same preference group.
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

    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 closed succeeded=0 missed=30 members_unreadable"]);
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

    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 closed succeeded=50 missed=70 members_unreadable"]);
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
    stage.source.set("u0", crate::stage::daily("09:00"));
    agent.until("2026-12-03T00:00:01Z").await;
    stage.run_until("2026-12-03T10:00:00Z").await;

    assert_eq!(stage.told_runs().await, ["2026-12-03T09:00 closed succeeded=1 missed=0 -"]);
}
