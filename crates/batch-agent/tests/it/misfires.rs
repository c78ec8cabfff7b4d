//! What is missed while nothing runs, and clocks that jump (F1, F2): exact counts for each
//! frequency and each `misfire`.
//!
//! The instants are plain: one user a frequency at UTC, so that each count can be checked with a
//! calendar in the hand.

use serde_json::{Value, json};

use crate::stage::{Stage, instant};

/// One user a frequency, each at nine o'clock or at each full hour.
fn everybody() -> Vec<(&'static str, Value)> {
    let every = |fields: Value| {
        let mut preference = json!({"preferred_time": "09:00", "timezone": "UTC"});
        preference
            .as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("fields").clone());
        preference
    };
    vec![
        ("hourly", every(json!({"frequency": "hourly"}))),
        ("daily", every(json!({"frequency": "daily"}))),
        (
            "weekly",
            every(json!({"frequency": "weekly", "preferred_day": ["tuesday", "wednesday"]})),
        ),
        ("monthly", every(json!({"frequency": "monthly", "preferred_day": 1}))),
        ("cron", json!({"frequency": "cron", "cron": "0 9 * * *", "timezone": "UTC"})),
    ]
}

/// They live until Monday noon, the 30th of November 2026; then nothing runs for three days.
async fn after_three_days(misfire: &str, back: &str) -> Stage {
    let stage = Stage::at("2026-11-30T11:30:00Z", &json!({"misfire": misfire}));
    for (user, preference) in everybody() {
        stage.source.set(user, preference);
    }
    stage.run_until("2026-11-30T12:10:00Z").await;
    stage.clock.advance_to(instant(back));
    stage.run_until(back).await;
    stage
}

/// How many runs of a frequency fired and how many were missed, with the reasons of the latter.
async fn told(stage: &Stage, frequency: &str) -> (usize, usize, Vec<String>) {
    let runs = stage.runs().await;
    let of_frequency: Vec<_> =
        runs.iter().filter(|run| run.group.frequency().as_str() == frequency).collect();
    let mut reasons: Vec<_> = of_frequency
        .iter()
        .filter_map(|run| run.reason)
        .map(|reason| reason.as_str().to_owned())
        .collect();
    reasons.dedup();
    let fired = of_frequency.iter().map(|run| run.counts.succeeded as usize).sum();
    let missed = of_frequency.iter().map(|run| run.counts.missed as usize).sum();
    (fired, missed, reasons)
}

fn reasons(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn after_three_days_each_group_fires_its_latest_if_its_window_is_still_open() {
    // Thursday, a quarter past twelve: 72 hours were missed, three days, two weekdays and the first
    // of the month.
    let stage = after_three_days("latest", "2026-12-03T12:15:00Z").await;
    let downtime = || reasons(&["downtime"]);
    assert_eq!(
        told(&stage, "hourly").await,
        (1 + 1, 71, downtime()),
        "noon before, and 12:00 of a quarter of an hour ago"
    );
    assert_eq!(told(&stage, "daily").await, (1, 2, downtime()));
    assert_eq!(told(&stage, "cron").await, (1, 2, downtime()));
    assert_eq!(
        told(&stage, "weekly").await,
        (0, 2, downtime()),
        "Wednesday nine o'clock is more than a day ago"
    );
    assert_eq!(
        told(&stage, "monthly").await,
        (1, 0, Vec::new()),
        "the first is less than three days ago"
    );
}

#[tokio::test]
async fn right_behind_the_windows_the_latest_are_missed_too() {
    // One minute behind the monthly window of 72 hours, and behind all others.
    let stage = after_three_days("latest", "2026-12-04T09:01:00Z").await;
    assert_eq!(told(&stage, "monthly").await, (0, 1, reasons(&["downtime"])));
    // On time is what came due within the last minute, whatever was missed before.
    assert_eq!(told(&stage, "daily").await, (1, 3, reasons(&["downtime"])));
}

#[tokio::test]
async fn misfire_all_fires_each_but_no_more_than_a_hundred_a_group_and_oldest_first() {
    let stage = after_three_days("all", "2026-12-05T12:15:00Z").await;
    let limit = reasons(&["misfire_limit"]);
    assert_eq!(told(&stage, "hourly").await, (1 + 100, 20, limit), "120 hours were missed");
    assert_eq!(told(&stage, "daily").await, (5, 0, Vec::new()));
    assert_eq!(told(&stage, "weekly").await, (2, 0, Vec::new()));
    assert_eq!(told(&stage, "monthly").await, (1, 0, Vec::new()));
    let called: Vec<_> =
        stage.handler.calls_of("daily").into_iter().map(|(_, user)| user.key).collect();
    let mut outcomes = stage.outcomes().await;
    outcomes.retain(|outcome| outcome.tenant_id.as_str() == "daily");
    outcomes.sort_by_key(|outcome| outcome.scheduled_at);
    assert_eq!(called, outcomes.into_iter().map(|outcome| outcome.key).collect::<Vec<_>>());
}

#[tokio::test]
async fn misfire_skip_fires_nothing_late() {
    let stage = after_three_days("skip", "2026-12-03T12:15:00Z").await;
    let skip = || reasons(&["misfire_skip"]);
    assert_eq!(told(&stage, "hourly").await, (1, 72, skip()));
    assert_eq!(told(&stage, "daily").await, (0, 3, skip()));
    assert_eq!(told(&stage, "weekly").await, (0, 2, skip()));
    assert_eq!(told(&stage, "monthly").await, (0, 1, skip()));
}

#[tokio::test]
async fn a_jump_of_the_clock_forward_is_a_downtime() {
    let stage = Stage::at("2026-12-01T08:00:00Z", &json!({}));
    for (user, preference) in everybody() {
        stage.source.set(user, preference);
    }
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:10:00Z").await;
    stage.clock.set_to(instant("2026-12-04T09:40:00Z"));
    agent.until("2026-12-04T09:50:00Z").await;

    // 09:00 of the first on time; then 71 hours missed and one more too late.
    assert_eq!(told(&stage, "hourly").await, (1, 72, reasons(&["downtime"])));
    assert_eq!(told(&stage, "daily").await, (1 + 1, 2, reasons(&["downtime"])));
    assert_eq!(told(&stage, "weekly").await, (1, 1, reasons(&["downtime"])));
}

#[tokio::test]
async fn a_clock_set_back_fires_nothing_twice_whether_the_agent_runs_or_starts_after_it() {
    for restarts in [false, true] {
        let stage = Stage::at("2026-12-01T08:00:00Z", &json!({}));
        for (user, preference) in everybody() {
            stage.source.set(user, preference);
        }
        let mut agent = stage.agent().await;
        agent.until("2026-12-01T11:10:00Z").await;
        stage.clock.set_to(instant("2026-12-01T08:30:00Z"));
        if restarts {
            agent = stage.agent().await;
        }
        agent.until("2026-12-01T12:10:00Z").await;

        assert_eq!(
            told(&stage, "hourly").await,
            (4, 0, Vec::new()),
            "nine to twelve; restarts: {restarts}"
        );
        for frequency in ["daily", "weekly", "monthly", "cron"] {
            assert_eq!(
                told(&stage, frequency).await,
                (1, 0, Vec::new()),
                "{frequency}; restarts: {restarts}"
            );
        }
        assert_eq!(stage.handler.calls().len(), 8, "restarts: {restarts}");
    }
}
