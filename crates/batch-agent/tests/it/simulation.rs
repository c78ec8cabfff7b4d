//! Seeded lives of users and agents: moves, refusals, deaths, downtimes and outages in any order.
//! At the end each member of each due occurrence has exactly one outcome (D2, M4), and no user ran
//! twice on one date (M6).

use std::collections::BTreeSet;

use cohort_batch_agent::OutcomeRecord;
use cohort_preferences::{PreferenceGroup, Schedule};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::handler::Script;
use crate::stage::{Stage, instant};

const USERS: u64 = 60;

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn preference(&mut self) -> Value {
        let zone = ["UTC", "Europe/Berlin", "America/New_York"][self.below(3) as usize];
        let time = ["08:00", "09:00", "10:30", "20:00"][self.below(4) as usize];
        match self.below(6) {
            0 => {
                json!({"frequency": "weekly", "preferred_day": "wednesday", "preferred_time": time,
                    "timezone": zone})
            }
            1 => {
                json!({"frequency": "daily", "preferred_time": time, "timezone": zone,
                    "enabled": false})
            }
            _ => json!({"frequency": "daily", "preferred_time": time, "timezone": zone}),
        }
    }

    fn user(&mut self) -> String {
        format!("u{}", self.below(USERS))
    }

    fn later(&mut self, now: Timestamp, most_hours: u64) -> String {
        (now + SignedDuration::from_mins(self.below(most_hours * 60) as i64)).to_string()
    }
}

async fn live_through(stage: &Stage, dice: &mut Dice) {
    for _ in 0..25 {
        let now = stage.now();
        stage.handler.forget_scripts();
        stage.handler.is_away(now, now);
        match dice.below(6) {
            0 => stage.clock.advance_to(instant(&dice.later(now, 20))),
            1 => {
                for _ in 0..10 {
                    stage.source.set(&dice.user(), dice.preference());
                }
            }
            2 => {
                stage.handler.script(&dice.user(), Script::Hang);
                let agent = stage.agent().await;
                let end = dice.later(now, 30);
                tokio::select! {
                    () = agent.until(&end) => {}
                    () = stage.handler.hung.notified() => {}
                }
            }
            3 => {
                stage.handler.script(&dice.user(), Script::Retry { times: 2, after_s: Some(900) });
                stage.handler.script(&dice.user(), Script::Fail);
                let agent = stage.agent().await;
                stage.now_away();
                agent.until(&(now + SignedDuration::from_mins(15)).to_string()).await;
                stage.now_well();
                agent.until(&dice.later(stage.now(), 10)).await;
            }
            4 => {
                // Its purpose fails, also over a restart, and recovers.
                let (from, until) = (dice.later(now, 10), dice.later(now, 20));
                stage.handler.is_away(instant(&from), instant(&until));
                stage.run_until(&dice.later(now, 12)).await;
                stage.run_until(&dice.later(stage.now(), 12)).await;
            }
            _ => stage.run_until(&dice.later(now, 20)).await,
        }
    }
    stage.handler.forget_scripts();
    stage.handler.is_away(stage.now(), stage.now());
    let end = (stage.now() + SignedDuration::from_hours(1)).to_string();
    stage.run_until(&end).await;
}

/// Whom the calendar and the memberships name, apart from any agent.
pub(crate) fn expected(stage: &Stage) -> BTreeSet<(String, String, String)> {
    let mut expected = BTreeSet::new();
    for (tenant, stated, from, to) in stage.source.intervals() {
        let group = PreferenceGroup::from_stated(&stated).expect("everything is stated");
        let schedule = Schedule::of(&group);
        let due = schedule.after(from - SignedDuration::from_micros(1));
        let until = stage.now();
        let of_interval = due.take_while(|occurrence| {
            occurrence.at <= until && to.is_none_or(|to| occurrence.at < to)
        });
        expected.extend(of_interval.map(|o| {
            (tenant.to_string(), o.nominal.to_string(), group.timezone().name().to_owned())
        }));
    }
    expected
}

#[tokio::test]
async fn whatever_happens_each_member_ends_with_one_outcome_and_runs_once_a_date() {
    for seed in 0..3 {
        let mut dice = Dice(seed);
        let stage = Stage::at(
            "2026-12-01T00:00:00Z",
            &json!({"misfire": "all", "catchup_window": "240h", "chunk_size": 7}),
        );
        drop(stage.agent().await);
        for user in 0..USERS {
            stage.source.set(&format!("u{user}"), dice.preference());
        }
        live_through(&stage, &mut dice).await;
        let exhausted =
            |outcome: &&OutcomeRecord| outcome.reason.as_deref() == Some("retries_exhausted");
        let outcomes = stage.outcomes().await;
        let lost: Vec<_> = outcomes.iter().filter(exhausted).collect();
        assert!(lost.is_empty(), "an outage has used up retries (D12): {lost:?}");

        let outcomes = stage.outcomes().await;
        let got: BTreeSet<_> = outcomes
            .iter()
            .map(|o| (o.tenant_id.to_string(), o.nominal.to_string(), o.timezone.clone()))
            .collect();
        let expected = expected(&stage);
        let lacking: Vec<_> = expected.difference(&got).collect();
        let strange: Vec<_> = got.difference(&expected).collect();
        assert_eq!((lacking, strange), (Vec::new(), Vec::new()), "seed {seed}: lacking, strange");
        assert_eq!(outcomes.len(), got.len(), "seed {seed}: nobody twice");
        assert!(outcomes.len() > 100, "seed {seed}: something happened");
        let report = stage.completeness("2026-12-01T00:00:00Z").await;
        assert_eq!(
            (report.unaccounted, &report.named),
            (0, &Vec::new()),
            "seed {seed}: everything is accounted for (A1)"
        );
        let ran: Vec<_> = outcomes
            .iter()
            .filter(|o| json!(o.status) != json!("skipped"))
            .map(|o| (&o.tenant_id, o.nominal.date()))
            .collect();
        let dates: BTreeSet<_> = ran.iter().collect();
        assert_eq!(ran.len(), dates.len(), "seed {seed}: twice on one date");
        assert!(
            stage.runs().await.iter().all(|run| run.closed_at.is_some()),
            "seed {seed}: everything is closed"
        );
    }
}
