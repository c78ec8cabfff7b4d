//! Users who kill whoever works for them (D5).
//!
//! A user "kills" by a call that hangs: the test drops the agent there, and starts another. An
//! agent gives its claims back only if it is stopped, so that a dropped one leaves them as a killed
//! process does.
//!
//! These bugs were planted, one after another, to see that the tests can fail:
//!
//! - a death is not counted: `one_poison_user_a_chunk_fails_alone_and_all_others_succeed` and
//!   `who_is_merely_near_when_an_agent_dies_again_and_again_is_not_to_blame` never end
//! - several suspects are claimed at once:
//!   `one_poison_user_a_chunk_fails_alone_and_all_others_succeed`
//! - a chunk is not split: the first three are red, since whoever shares the chunk fails too
//! - work that is handed back counts as a death:
//!   `agents_that_hand_their_work_back_make_nobody_a_suspect`

use std::collections::BTreeMap;
use std::time::Duration;

use cohort_batch_agent::{StatusName, WaitingWork};
use serde_json::json;

use crate::handler::Script;
use crate::live::live;
use crate::stage::{Stage, instant};

const END: &str = "2026-12-01T20:00:00Z";

/// Starts one agent after another, each until somebody kills it. Returns how many were killed
/// before one came to the end.
async fn live_and_die(stage: &Stage, most: usize) -> usize {
    for deaths in 0..=most {
        let agent = stage.agent().await;
        tokio::select! {
            () = agent.until(END) => return deaths,
            () = stage.handler.hung.notified() => {}
        }
    }
    panic!("there is no end after {most} deaths: {:?}", stage.told_runs().await);
}

#[tokio::test]
async fn one_poison_user_a_chunk_fails_alone_and_all_others_succeed() {
    for kind in ["individual_batch", "batch_as_object"] {
        let stage = Stage::with_daily_users(100, &json!({"type": kind}));
        let killers = ["u3", "u30", "u60", "u99"];
        for user in killers {
            stage.handler.script(user, Script::Hang);
        }
        let deaths = live_and_die(&stage, 40).await;

        for user in killers {
            assert_eq!(stage.told_of(user).await, ["2026-12-01T09:00 failed(poison)"], "{kind}");
            // Three deaths split the chunk, three more are the user's own.
            assert!(
                stage.handler.calls_of(user).len() <= 6,
                "{user}: {}",
                stage.handler.calls_of(user).len()
            );
        }
        assert!(deaths <= 6 * killers.len(), "{deaths} agents died");
        let run = &stage.runs().await[0];
        assert_eq!(
            (run.counts.succeeded, run.counts.failed, run.closed_at.is_some()),
            (96, 4, true),
            "{kind}"
        );
        let poison = stage
            .outcomes()
            .await
            .into_iter()
            .find(|outcome| outcome.tenant_id.as_str() == "u3")
            .expect("an outcome");
        assert_eq!(
            poison.detail.as_deref(),
            Some("3 workers died while they had this user's work in hand")
        );
    }
}

#[tokio::test]
async fn twenty_poison_users_in_as_many_chunks_take_nobody_along() {
    let stage = Stage::with_daily_users(500, &json!({}));
    let killers: Vec<_> = (0..20).map(|chunk| format!("u{}", 25 * chunk + chunk)).collect();
    for user in &killers {
        stage.handler.script(user, Script::Hang);
    }
    live_and_die(&stage, 6 * killers.len()).await;

    let failed: Vec<_> = stage
        .outcomes()
        .await
        .into_iter()
        .filter(|outcome| outcome.status != StatusName::Succeeded)
        .collect();
    let mut failed: Vec<_> = failed.iter().map(|outcome| outcome.tenant_id.to_string()).collect();
    failed.sort_by_key(|tenant| tenant[1..].parse::<u32>().expect("a number"));
    assert_eq!(failed, killers);
}

#[tokio::test]
async fn a_user_who_kills_twice_and_then_works_succeeds_like_everybody() {
    let stage = Stage::with_daily_users(25, &json!({}));
    stage.handler.script("u7", Script::Hang);
    for _ in 0..5 {
        stage.run_until_killed().await;
    }
    stage.handler.forget_scripts();
    stage.run_until(END).await;

    stage.assert_each_succeeded_once(25, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.handler.calls_of("u7").len(), 6);
    let keys: Vec<_> = stage.handler.calls_of("u7").into_iter().map(|(_, user)| user.key).collect();
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "the same work has the same key (D1)");
}

#[tokio::test]
async fn who_is_merely_near_when_an_agent_dies_again_and_again_is_not_to_blame() {
    let stage = Stage::with_daily_users(75, &json!({}));
    stage.handler.script("u0", Script::Hang);
    live_and_die(&stage, 10).await;

    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 failed(poison)"]);
    assert_eq!(stage.runs().await[0].counts.succeeded, 74);
    let mut attempts: BTreeMap<usize, usize> = BTreeMap::new();
    for user in 1..75 {
        *attempts.entry(stage.handler.calls_of(&format!("u{user}")).len()).or_default() += 1;
    }
    assert!(
        attempts.keys().all(|calls| *calls <= 5),
        "a few repeats, for those of the same chunk only: {attempts:?}"
    );
}

#[tokio::test]
async fn agents_that_give_their_work_back_make_nobody_a_suspect() {
    let stage = Stage::with_daily_users(60, &json!({}));
    stage.handler.script("u30", Script::Hang);
    for _ in 0..4 {
        live(&stage.agent().await, Duration::ZERO, async {
            stage.clock.advance_to(instant("2026-12-01T09:00:00Z"));
            stage.handler.hung.notified().await;
        })
        .await;
        let waiting = stage.ledger().coming().await.expect("read");
        assert!(
            !waiting.is_empty()
                && waiting.iter().all(|waiting| waiting.work == WaitingWork::Chunks),
            "{waiting:?}"
        );
    }
    stage.handler.forget_scripts();
    stage.run_until(END).await;
    stage.assert_each_succeeded_once(60, &["2026-12-01T09:00"]).await;
}
