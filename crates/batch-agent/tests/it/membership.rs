//! Who is a member of which run when preferences change (M1, M4, M5, M6).

use serde_json::json;

use crate::stage::{Stage, daily};

#[tokio::test]
async fn a_user_moved_to_weekly_has_a_last_daily_and_a_first_weekly_run_and_never_both() {
    // The 7th of December 2026 is a Monday.
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    stage.source.set("moved", daily("09:00"));
    stage.source.set("stays", daily("09:00"));
    let agent = stage.agent().await;
    agent.until("2026-12-03T12:00:00Z").await;
    stage.source.set(
        "moved",
        json!({"frequency": "weekly", "preferred_day": "monday", "preferred_time": "09:00",
            "timezone": "UTC"}),
    );
    agent.until("2026-12-09T00:00:00Z").await;

    let daily_runs =
        ["2026-12-01T09:00 succeeded", "2026-12-02T09:00 succeeded", "2026-12-03T09:00 succeeded"];
    assert_eq!(
        stage.told_of("moved").await,
        [&daily_runs[..], &["2026-12-07T09:00 succeeded"]].concat()
    );
    assert_eq!(stage.told_of("stays").await.len(), 8);
}

#[tokio::test]
async fn a_user_moved_an_hour_later_after_having_run_does_not_run_twice_that_day() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    stage.source.set("u", daily("09:00"));
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:30:00Z").await;
    stage.source.set("u", daily("10:00"));
    agent.until("2026-12-02T12:00:00Z").await;

    let told = [
        "2026-12-01T09:00 succeeded",
        "2026-12-01T10:00 skipped(already_ran)",
        "2026-12-02T10:00 succeeded",
    ];
    assert_eq!(stage.told_of("u").await, told);
    assert_eq!(stage.handler.calls().len(), 2);
}

#[tokio::test]
async fn once_per_period_runs_a_weekly_user_once_a_week_however_the_day_moves() {
    let weekly = |day: &str| {
        json!({"frequency": "weekly", "preferred_day": day,
        "preferred_time": "09:00", "timezone": "UTC"})
    };
    for (once_per, of_first_week) in
        [("period", "2026-12-03T09:00 skipped(already_ran)"), ("day", "2026-12-03T09:00 succeeded")]
    {
        let stage = Stage::at("2026-11-30T03:00:00Z", &json!({"once_per": once_per}));
        stage.source.set("u", weekly("monday"));
        let agent = stage.agent().await;
        agent.until("2026-12-01T12:00:00Z").await;
        stage.source.set("u", weekly("thursday"));
        agent.until("2026-12-11T12:00:00Z").await;
        assert_eq!(
            stage.told_of("u").await,
            ["2026-11-30T09:00 succeeded", of_first_week, "2026-12-10T09:00 succeeded"]
        );
    }
}

#[tokio::test]
async fn two_days_of_one_group_are_no_repetition() {
    let stage = Stage::at("2026-11-30T03:00:00Z", &json!({"once_per": "period"}));
    let days = json!({"frequency": "weekly", "preferred_day": ["monday", "thursday"],
        "preferred_time": "09:00", "timezone": "UTC"});
    stage.source.set("u", days);
    stage.run_until("2026-12-05T12:00:00Z").await;
    assert_eq!(
        stage.told_of("u").await,
        ["2026-11-30T09:00 succeeded", "2026-12-03T09:00 succeeded"]
    );
}

#[tokio::test]
async fn once_per_off_lets_the_moved_user_run_twice() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({"once_per": "off"}));
    stage.source.set("u", daily("09:00"));
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:30:00Z").await;
    stage.source.set("u", daily("10:00"));
    agent.until("2026-12-01T12:00:00Z").await;

    assert_eq!(
        stage.told_of("u").await,
        ["2026-12-01T09:00 succeeded", "2026-12-01T10:00 succeeded"]
    );
}

#[tokio::test]
async fn a_failed_run_counts_as_having_run_and_a_skipped_one_does_not() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    stage.source.set("failed", daily("09:00"));
    let skip_this = json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC",
        "skip_next": "2026-12-01T09:00"});
    stage.source.set("skipped", skip_this);
    stage.handler.script("failed", crate::handler::Script::Fail);
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:30:00Z").await;
    stage.source.set("failed", daily("10:00"));
    stage.source.set("skipped", daily("10:00"));
    agent.until("2026-12-01T12:00:00Z").await;

    assert_eq!(
        stage.told_of("failed").await,
        ["2026-12-01T09:00 failed(rejected)", "2026-12-01T10:00 skipped(already_ran)"]
    );
    assert_eq!(
        stage.told_of("skipped").await,
        ["2026-12-01T09:00 skipped(skipped_by_user)", "2026-12-01T10:00 succeeded"]
    );
}

#[tokio::test]
async fn work_that_is_still_open_counts_as_having_run() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    stage.source.set("u", daily("09:00"));
    stage.handler.script("u", crate::handler::Script::Retry { times: 1, after_s: Some(7_200) });
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:30:00Z").await;
    stage.source.set("u", daily("10:00"));
    agent.until("2026-12-01T12:00:00Z").await;

    assert_eq!(
        stage.told_of("u").await,
        ["2026-12-01T09:00 succeeded", "2026-12-01T10:00 skipped(already_ran)"]
    );
}

#[tokio::test]
async fn a_user_who_moves_to_another_zone_runs_once_a_nominal_date() {
    let stage = Stage::at("2026-12-01T00:00:00Z", &json!({}));
    stage.source.set(
        "u",
        json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "Asia/Tokyo"}),
    );
    let agent = stage.agent().await;
    agent.until("2026-12-02T02:00:00Z").await;
    stage.source.set(
        "u",
        json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "America/New_York"}),
    );
    agent.until("2026-12-03T20:00:00Z").await;

    let told = [
        "2026-12-02T09:00 succeeded",
        "2026-12-02T09:00 skipped(already_ran)",
        "2026-12-03T09:00 succeeded",
    ];
    assert_eq!(stage.told_of("u").await, told);
}

#[tokio::test]
async fn members_are_those_of_the_instant_however_late_the_run_starts() {
    let stage = Stage::with_daily_users(2, &json!({}));
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-01T09:01:00Z").await;
    stage
        .source
        .set("u1", json!({"frequency": "weekly", "preferred_day": "friday", "timezone": "UTC"}));
    stage.source.set("late", daily("09:00"));
    stage.now_well();
    agent.until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(2, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn a_user_who_joins_a_new_group_just_before_it_fires_is_in_the_run() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:59:59Z").await;
    stage.source.set("late", daily("10:00"));
    // Nothing but the group that nobody has told the agent of is due then.
    agent.until("2026-12-01T09:59:59Z").await;
    stage.source.set("other", daily("10:00"));
    agent.until("2026-12-02T09:00:00Z").await;

    assert_eq!(stage.told_of("late").await, ["2026-12-01T10:00 succeeded"]);
    assert_eq!(stage.told_of("other").await, ["2026-12-01T10:00 succeeded"]);
}

#[tokio::test]
async fn a_user_moved_during_a_downtime_is_caught_up_once_for_the_day() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    stage.source.set("u", daily("09:00"));
    stage.run_until("2026-12-01T08:00:00Z").await;
    stage.clock.advance_to(crate::stage::instant("2026-12-01T09:30:00Z"));
    stage.source.set("u", daily("10:00"));
    stage.clock.advance_to(crate::stage::instant("2026-12-01T10:30:00Z"));
    stage.run_until("2026-12-01T12:00:00Z").await;

    assert_eq!(
        stage.told_of("u").await,
        ["2026-12-01T09:00 succeeded", "2026-12-01T10:00 skipped(already_ran)"]
    );
}

#[tokio::test]
async fn a_run_that_is_read_late_does_not_repeat_who_has_meanwhile_run_in_a_later_group() {
    let stage = Stage::at("2026-11-20T03:00:00Z", &json!({}));
    stage.source.set("u", daily("09:00"));
    stage.source.set("stays", daily("10:00"));
    stage.clock.advance_to(crate::stage::instant("2026-12-01T03:00:00Z"));
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-01T09:30:00Z").await;
    stage.source.set("u", daily("10:00"));
    agent.until("2026-12-01T09:59:59Z").await;
    stage.now_well();
    agent.until("2026-12-01T12:00:00Z").await;

    assert_eq!(
        stage.told_of("u").await,
        ["2026-12-01T09:00 skipped(already_ran)", "2026-12-01T10:00 succeeded"]
    );
    assert_eq!(stage.told_of("stays").await, ["2026-12-01T10:00 succeeded"]);
}
