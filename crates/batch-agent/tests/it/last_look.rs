//! Who withdraws while the call waits for its turn, at whatever point (M2, M3).
//!
//! Planted, and red: consent is asked once only, before the wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use cohort_batch_agent::{Handler, HandlerError, SimulatedClock, UserResult, Work};
use cohort_preferences::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::source::TestSource;
use crate::stage::{Stage, daily};

const USERS: usize = 110;

/// How long a call takes.
const CALL: SignedDuration = SignedDuration::from_secs(2);

/// How a user says no.
const WAYS: [&str; 5] = ["disabled", "deleted", "snoozed", "skipped_by_user", "deleted"];

/// Has somebody withdraw during each call, each in another way.
struct Withdrawals {
    source: TestSource,
    clock: SimulatedClock,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    called: HashMap<String, Timestamp>,
    withdrawn: HashMap<String, (Timestamp, &'static str)>,
}

impl Withdrawals {
    fn before(stage: &Stage) -> Arc<Self> {
        let (source, clock) = (stage.source.clone(), stage.clock.clone());
        Arc::new(Self { source, clock, noted: Mutex::default() })
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().expect("no test panics while it holds it")
    }

    /// The last user who is neither called nor has withdrawn says no.
    fn withdraw_one(&self) {
        let mut noted = self.noted();
        let waits =
            |user: &String| !noted.called.contains_key(user) && !noted.withdrawn.contains_key(user);
        let Some(user) = (0..USERS).rev().map(|user| format!("u{user}")).find(waits) else {
            return;
        };
        let way = noted.withdrawn.len() % WAYS.len();
        let at = match way {
            0 => self.source.set(&user, with("enabled", json!(false))),
            1 => self.source.delete(&user),
            2 => self.source.set(&user, with("snoozed_until", json!("2026-12-05T00:00:00Z"))),
            3 => self.source.set(&user, with("skip_next", json!("2026-12-01T09:00"))),
            _ => {
                self.source.erase(&user);
                self.clock.now()
            }
        };
        noted.withdrawn.insert(user, (at, WAYS[way]));
    }
}

fn with(field: &str, value: Value) -> Value {
    let mut preference = daily("09:00");
    preference[field] = value;
    preference
}

#[async_trait]
impl Handler for Withdrawals {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let now = self.clock.now();
        let called = work.users.iter().map(|user| (user.tenant_id.to_string(), now));
        self.noted().called.extend(called);
        for _ in &work.users {
            self.withdraw_one();
        }
        tokio::task::yield_now().await;
        self.clock.advance_to(now + CALL);
        Ok(work.users.iter().map(|user| UserResult::succeeded(user.tenant_id.clone())).collect())
    }
}

async fn nobody_is_called_who_has_withdrawn(kind: &str, at_once: usize) {
    let stage = Stage::with_daily_users(USERS, &json!({"type": kind}));
    let handler = Withdrawals::before(&stage);
    let builder = stage.builder().limited_handler("write", handler.clone(), Some(at_once));
    stage.agent_of(builder).await.until("2026-12-01T12:00:00Z").await;

    let outcomes = stage.outcomes().await;
    let noted = handler.noted();
    assert!(noted.called.len() < USERS && noted.withdrawn.len() > USERS / 4, "{at_once}");
    for (user, (at, _)) in &noted.withdrawn {
        let called = noted.called.get(user);
        let late = called.is_some_and(|called| *called > *at + SignedDuration::from_secs(1));
        assert!(!late, "{kind}, {at_once} at once: {user} was called {called:?}, after no at {at}");
    }
    let mut ends = HashMap::new();
    for outcome in outcomes {
        let user = outcome.tenant_id.to_string();
        assert_eq!(ends.insert(user, outcome.reason), None, "one outcome each");
    }
    assert_eq!(ends.len(), USERS);
    for (user, (_, way)) in &noted.withdrawn {
        let is_erased = !ends.contains_key(user);
        if !is_erased && !noted.called.contains_key(user) {
            assert_eq!(ends[user].as_deref(), Some(*way), "{user}");
        }
    }
}

#[tokio::test]
async fn who_withdraws_while_calls_for_single_users_wait_is_not_called() {
    for at_once in [1, 2, 7, 25] {
        nobody_is_called_who_has_withdrawn("individual_batch", at_once).await;
    }
}

#[tokio::test]
async fn who_withdraws_while_a_call_for_a_chunk_waits_is_not_called() {
    for at_once in [25, 50] {
        nobody_is_called_who_has_withdrawn("batch_as_object", at_once).await;
    }
}

#[tokio::test]
async fn settings_changed_while_the_call_waits_are_those_that_are_sent() {
    let stage = Stage::with_daily_users(2, &json!({}));
    let (source, clock) = (stage.source.clone(), stage.clock.clone());
    stage.handler.on_next_call(move || {
        for user in ["u0", "u1"] {
            source.set(user, with("template_overrides", json!({"tone": "warm"})));
        }
        clock.advance_to(clock.now() + CALL);
    });
    let builder = stage.builder().limited_handler("write", stage.handler.clone(), Some(1));
    stage.agent_of(builder).await.until("2026-12-01T12:00:00Z").await;

    let calls = stage.handler.calls();
    let sent: Vec<_> = calls.iter().flat_map(|call| &call.users).collect();
    let versions: Vec<_> = sent.iter().map(|user| user.preference_version).collect();
    assert_eq!(versions, [1, 2]);
    assert_eq!(sent[1].template_overrides["tone"], "warm");
    let second =
        stage.outcomes().await.into_iter().find(|outcome| outcome.tenant_id == sent[1].tenant_id);
    assert_eq!(second.expect("an outcome").preference_version, Some(2));
}

#[tokio::test]
async fn while_the_config_database_is_away_the_call_goes_by_what_was_known_and_the_outcome_says_so()
{
    let stage = Stage::with_daily_users(2, &json!({}));
    let (source, clock) = (stage.source.clone(), stage.clock.clone());
    stage.handler.on_next_call(move || {
        source.faults(crate::source::Faults { away: true, ..Default::default() });
        clock.advance_to(clock.now() + CALL);
    });
    let builder = stage.builder().limited_handler("write", stage.handler.clone(), Some(1));
    stage.agent_of(builder).await.until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(2, &["2026-12-01T09:00"]).await;
    let mut stale: Vec<_> = stage.outcomes().await.iter().map(|outcome| outcome.stale).collect();
    stale.sort_unstable();
    assert_eq!(stale, [false, true]);
}
