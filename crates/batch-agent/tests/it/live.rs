//! The loops of real time, on a clock that the test moves (F6, F8, F9).

use std::time::Duration;

use cohort_batch_agent::handler_fn;
use serde_json::json;
use tokio::sync::{oneshot, watch};

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Agent, Stage, daily, instant};

/// Runs an agent's loops until `script` has come to its end; then it shuts down with so much grace.
pub(crate) async fn live(agent: &Agent, grace: Duration, script: impl Future<Output = ()>) {
    let (shut_down, shutdown) = watch::channel(false);
    let script = async {
        script.await;
        shut_down.send(true).expect("the loops listen");
    };
    tokio::join!(
        agent.scheduler.run(shutdown.clone()),
        agent.processor.run(shutdown, grace),
        script
    );
}

/// Resolves at the handler's next call.
fn next_call(stage: &Stage) -> oneshot::Receiver<()> {
    let (called, told) = oneshot::channel();
    stage.handler.on_next_call(move || called.send(()).expect("the test waits"));
    told
}

#[tokio::test]
async fn what_the_clock_reaches_is_fired_and_nothing_begun_is_repeated_after_the_shutdown() {
    let stage = Stage::with_daily_users(60, &json!({}));
    let called = next_call(&stage);
    let agent = stage.agent().await;
    live(&agent, Duration::from_secs(25), async {
        stage.clock.advance_to(instant("2026-12-01T09:00:00Z"));
        called.await.expect("a call");
    })
    .await;
    stage.agent().await.until("2026-12-01T09:00:10Z").await;

    stage.assert_each_succeeded_once(60, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.handler.calls().len(), 60);
}

#[tokio::test]
async fn a_shutdown_begins_no_more_calls_and_finishes_those_that_are_open() {
    let stage = Stage::with_daily_users(60, &json!({}));
    let (begun, gate) = (watch::Sender::new(0), watch::Sender::new(false));
    let (count, opened) = (begun.clone(), gate.subscribe());
    let handler = handler_fn(move |_user: cohort_batch_agent::UserWork| {
        count.send_modify(|begun| *begun += 1);
        let mut opened = opened.clone();
        async move {
            opened
                .wait_for(|open| *open)
                .await
                .map(|_open| ())
                .map_err(|_gone| unreachable!("the gate outlives the calls"))
        }
    });
    let agent = stage.agent_of(stage.builder().handler("write", handler)).await;
    let (shut_down, shutdown) = watch::channel(false);
    let script = async {
        stage.clock.advance_to(instant("2026-12-01T09:00:00Z"));
        begun.subscribe().wait_for(|begun| *begun == 25).await.expect("the handler counts");
        shut_down.send(true).expect("the loops listen");
        // The loops are polled in this task: they hear of the shutdown before the gate opens.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        gate.send_replace(true);
    };
    tokio::join!(
        agent.scheduler.run(shutdown.clone()),
        agent.processor.run(shutdown, Duration::from_secs(25)),
        script
    );

    assert_eq!((*begun.borrow(), stage.outcomes().await.len()), (25, 25));
    stage.agent().await.until("2026-12-01T09:00:10Z").await;
    stage.assert_each_succeeded_once(60, &["2026-12-01T09:00"]).await;
    assert!(stage.outcomes().await.iter().all(|outcome| outcome.attempts == 1));
}

/// Runs an agent while a second user makes a new group, until that group has fired.
async fn hear_of_a_new_group(faults: Faults) -> Stage {
    let stage = Stage::with_daily_users(1, &json!({}));
    let called = next_call(&stage);
    let agent = stage.agent().await;
    live(&agent, Duration::from_secs(25), async {
        stage.source.faults(faults);
        stage.source.set("u1", daily("08:30"));
        while agent.scheduler.schedules().len() < 2 {
            tokio::task::yield_now().await;
        }
        stage.clock.advance_to(instant("2026-12-01T08:30:00Z"));
        called.await.expect("a call");
    })
    .await;
    stage
}

#[tokio::test]
async fn a_group_that_the_feed_tells_of_is_scheduled_without_being_asked_for() {
    let stage = hear_of_a_new_group(Faults::default()).await;
    assert_eq!(stage.told_of("u1").await, ["2026-12-01T08:30 succeeded"]);
    assert_eq!(stage.told_of("u0").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_feed_that_no_longer_knows_the_cursor_leads_to_reading_everything_anew() {
    let stage = hear_of_a_new_group(Faults { forgotten_changes: 2, ..Faults::default() }).await;
    assert_eq!(stage.told_of("u1").await, ["2026-12-01T08:30 succeeded"]);
}

#[tokio::test]
async fn another_database_that_knows_neither_the_cursor_nor_any_group_ends_no_schedule() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let agent = stage.agent().await;
    live(&agent, Duration::from_secs(25), async {
        stage.source.faults(Faults {
            forgotten_changes: 2,
            knows_nobody: true,
            ..Faults::default()
        });
        stage.source.set("u1", daily("08:30"));
        while !agent
            .scheduler
            .unreadiness()
            .await
            .is_some_and(|reason| reason.contains("suddenly empty"))
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(agent.scheduler.schedules().len(), 1);
}

#[tokio::test]
async fn a_page_of_the_feed_that_overlaps_what_was_read_loses_nothing() {
    let stage = hear_of_a_new_group(Faults { feed_overlaps: true, ..Faults::default() }).await;
    assert_eq!(stage.told_of("u1").await, ["2026-12-01T08:30 succeeded"]);
}

#[tokio::test]
async fn an_agent_whose_key_is_refused_says_so_and_does_not_ask_again_and_again() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let agent = stage.agent().await;
    live(&agent, Duration::from_secs(25), async {
        stage.source.faults(Faults { feed_denied: true, ..Faults::default() });
        let before = stage.source.feed_requests();
        stage.source.set("u1", daily("08:30"));
        while agent.scheduler.feed_fault().is_none() {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        // Whoever follows the feed asks once, and so does whoever takes erasures over.
        assert!(
            stage.source.feed_requests() <= before + 2,
            "{} more",
            stage.source.feed_requests() - before
        );
        let fault = agent.scheduler.feed_fault().expect("told");
        assert!(fault.ends_with("refuses the agent's key: unknown key"), "{fault}");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_finished_within_the_grace_is_handed_to_another_agent() {
    let stage = Stage::with_daily_users(60, &json!({}));
    stage.handler.script("u30", Script::Hang);
    let agent = stage.agent_of(stage.builder().holder("a")).await;
    live(&agent, Duration::ZERO, async {
        stage.clock.advance_to(instant("2026-12-01T09:00:00Z"));
        stage.handler.hung.notified().await;
    })
    .await;
    assert!(stage.outcomes().await.len() < 60);
    stage.handler.forget_scripts();
    // This agent takes back only what it held itself, which is nothing.
    stage.agent_of(stage.builder().holder("b")).await.until("2026-12-01T09:00:10Z").await;

    stage.assert_each_succeeded_once(60, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn a_few_users_who_hang_do_not_keep_those_of_later_occurrences_waiting() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({}));
    for (user, time) in [("u0", "08:00"), ("u1", "08:10"), ("u2", "08:20"), ("u3", "08:30")] {
        stage.source.set(user, daily(time));
    }
    for user in ["u0", "u1", "u2"] {
        stage.handler.script(user, Script::Hang);
    }
    let agent = stage.agent().await;
    live(&agent, Duration::ZERO, async {
        for time in ["2026-12-01T08:00:00Z", "2026-12-01T08:10:00Z", "2026-12-01T08:20:00Z"] {
            stage.clock.advance_to(instant(time));
            stage.handler.hung.notified().await;
        }
        stage.clock.advance_to(instant("2026-12-01T08:30:00Z"));
        while stage.told_of("u3").await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(stage.told_of("u3").await, ["2026-12-01T08:30 succeeded"]);
}
