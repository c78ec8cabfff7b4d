//! Two and three agents on one ledger, in every order that a seed makes of them (D2, D3, D4, F3,
//! F5, F6, M4, M6).
//!
//! A seed chooses, step by step, who of those that stand at a point ([`crate::interleaving`]) goes
//! on, and how: operations fail, or are done and their answers lost; handlers refuse, ask for
//! another attempt, or do not answer for long; agents die at a point, are asked to end, pause past
//! their leases while others go on, and go on then; users move between groups. Then there is calm,
//! and the record has to be what the calendar and the memberships say, with each repeat of a call
//! explained.
//!
//! `COHORT_SEEDS=100..5000` lives through others than the suite does, on SQLite and on PostgreSQL.
//! A seed that fails says its number and its history, and lives the same again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cohort_batch_agent::ResultStatus;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::faulty_ledger::{Moment, Point};
use crate::interleaving::{Interleaving, SUCCEEDED, Verdict};
use crate::simulation::Dice;
use crate::stage::{Backend, Stage, instant};

/// Lived through by the suite, on SQLite and on PostgreSQL, which takes longer.
const SEEDS: [Range<u64>; 2] = [0..40, 40..46];

/// Seeds lived through at once.
const AT_ONCE: usize = 2;

const USERS: u64 = 30;

/// Steps until the calm.
const STEPS_OF_UNREST: usize = 900;

/// Far more than the calm takes.
const MOST_STEPS_OF_CALM: usize = 5_000;

/// A life that is not let on for so many steps.
struct Sleeper {
    life: usize,
    until: usize,
}

/// A world and the dice that decide what happens in it.
struct Fortune {
    dice: Dice,
    world: Interleaving,
    step: usize,
    sleeper: Option<Sleeper>,
    /// The outcomes that were recorded at some time, in words.
    recorded: BTreeMap<(i64, String), String>,
}

impl Fortune {
    fn of(seed: u64, backend: Backend) -> Self {
        let mut dice = Dice(seed);
        dice.below(2);
        let kind = ["individual_batch", "batch_as_object"][dice.below(2) as usize];
        let fields = json!({"type": kind, "chunk_size": 7, "misfire": "all",
            "catchup_window": "240h", "max_retries": 2});
        let stage = Stage::in_memory_at("2026-12-01T08:59:50Z", &fields);
        for user in 0..USERS {
            stage.source.set(&format!("u{user}"), preference(&mut dice));
        }
        Self {
            dice,
            world: Interleaving::on(stage, backend),
            step: 0,
            sleeper: None,
            recorded: BTreeMap::new(),
        }
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.dice.below(sides) == 0
    }

    async fn live(&mut self) -> Vec<String> {
        self.world.ensure_job();
        while self.step < STEPS_OF_UNREST {
            self.step += 1;
            self.unrest().await;
        }
        self.world.note("calm".into());
        self.calm().await
    }

    async fn unrest(&mut self) {
        let waiting = self.world.waiting().await;
        self.sleeper.take_if(|sleeper| sleeper.until < self.step);
        let awake: Vec<_> =
            (0..waiting.len()).filter(|place| self.is_awake(waiting[*place].0)).collect();
        match self.dice.below(100) {
            0..2 if !waiting.is_empty() => self.kill_one(&waiting).await,
            2 => self.stop_one(),
            3..8 => self.start_one(),
            8..10 => self.move_one(),
            10..12 => self.pass_some_time().await,
            12 if !waiting.is_empty() => self.put_one_to_sleep(&waiting),
            _ if awake.is_empty() => self.pass_some_time().await,
            _ => {
                let place = awake[self.dice.below(awake.len() as u64) as usize];
                if let Some(verdict) = self.verdict_at(waiting[place].1) {
                    self.world.go_on(place, verdict);
                }
            }
        }
    }

    fn is_awake(&self, life: usize) -> bool {
        self.sleeper.as_ref().is_none_or(|sleeper| sleeper.life != life)
    }

    /// How it goes on at a point; `None` if not yet.
    fn verdict_at(&mut self, point: Point) -> Option<Verdict> {
        let roll = self.dice.below(100);
        if point.operation == "handler.call" && point.moment == Moment::After {
            return match roll {
                0..60 => Some(SUCCEEDED),
                60..66 => Some(Verdict::Answered(ResultStatus::Failed, None)),
                66..72 => Some(Verdict::Answered(ResultStatus::Retry, None)),
                72..78 => Some(Verdict::Answered(ResultStatus::Retry, Some(self.dice.below(90)))),
                78..82 => Some(Verdict::Refused),
                _ => None,
            };
        }
        Some(if roll < 4 { Verdict::Refused } else { Verdict::On })
    }

    /// Someone dies at the point where they stand.
    async fn kill_one(&mut self, waiting: &[(usize, Point)]) {
        self.remember();
        let (life, _point) = waiting[self.dice.below(waiting.len() as u64) as usize];
        self.world.kill(life).await;
    }

    fn stop_one(&mut self) {
        let living = self.world.living();
        if !living.is_empty() {
            self.world.stop(living[self.dice.below(living.len() as u64) as usize]);
        }
    }

    /// A name that nobody living has begins another life; who knows that it is the only one takes
    /// its predecessor's work back.
    fn start_one(&mut self) {
        let living: Vec<_> =
            self.world.living().into_iter().map(|life| self.world.name_of(life)).collect();
        let free: Vec<_> =
            ["a", "b", "c"].into_iter().filter(|name| !living.contains(name)).collect();
        if !free.is_empty() && living.len() < 3 {
            let name = free[self.dice.below(free.len() as u64) as usize];
            let takes_back = self.one_in(2);
            self.world.start(name, takes_back);
        }
    }

    fn move_one(&mut self) {
        let (user, preference) =
            (format!("u{}", self.dice.below(USERS)), preference(&mut self.dice));
        self.world.note(format!("{user} wants {preference}"));
        self.world.stage.source.set(&user, preference);
    }

    /// Mostly little; sometimes longer than a lease.
    async fn pass_some_time(&mut self) {
        let seconds = [1, 1, 1, 1, 2, 2, 2, 5, 5, 16, 31, 61][self.dice.below(12) as usize];
        self.world.note(format!("{seconds} s pass"));
        self.world.pass(SignedDuration::from_secs(seconds)).await;
    }

    fn put_one_to_sleep(&mut self, waiting: &[(usize, Point)]) {
        let (life, _point) = waiting[self.dice.below(waiting.len() as u64) as usize];
        let until = self.step + 20 + self.dice.below(100) as usize;
        self.world.note(format!("{}{life} sleeps until step {until}", self.world.name_of(life)));
        self.sleeper = Some(Sleeper { life, until });
    }

    /// Everybody goes on and nothing goes wrong until everything due has ended.
    async fn calm(&mut self) -> Vec<String> {
        for _ in 0..MOST_STEPS_OF_CALM {
            let waiting = self.world.waiting().await;
            if self.world.living().is_empty() {
                self.world.start("d", false);
            } else if !waiting.is_empty() {
                self.world.go_on(0, Verdict::On);
            } else if self.world.stage.now() > instant("2026-12-01T09:06:00Z")
                && self.world.is_at_rest()
            {
                let earlier = std::mem::take(&mut self.recorded);
                self.remember();
                let changed =
                    earlier.iter().filter(|(name, told)| self.recorded.get(*name) != Some(*told));
                let changed: Vec<_> = changed
                    .map(|(name, told)| format!("final and then another: {name:?} {told}"))
                    .collect();
                return [changed, self.world.differences()].concat();
            } else {
                self.world.pass(SignedDuration::from_secs(5)).await;
            }
        }
        [vec!["it does not come to rest".into()], self.world.differences()].concat()
    }

    fn remember(&mut self) {
        let outcomes = self.world.recorded().into_iter();
        let named = outcomes.map(|outcome| {
            ((outcome.run_id.0, outcome.tenant_id.to_string()), json!(outcome).to_string())
        });
        self.recorded.extend(named);
    }
}

fn preference(dice: &mut Dice) -> Value {
    let zone = ["UTC", "Africa/Accra"][dice.below(2) as usize];
    let time = ["09:00", "09:00", "09:02", "09:05"][dice.below(4) as usize];
    json!({"frequency": "daily", "preferred_time": time, "timezone": zone,
        "enabled": dice.below(12) > 0})
}

/// Lives through a seed. Returns what was wrong, and what happened.
fn live(seed: u64, backend: Backend) -> (Vec<String>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut fortune = Fortune::of(seed, backend);
        let differences = fortune.live().await;
        (differences, fortune.world.trace())
    })
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long")]
fn seeds_on(backend: Backend) -> Range<u64> {
    let [on_sqlite, on_postgres] = SEEDS;
    let Ok(asked) = std::env::var("COHORT_SEEDS") else {
        return if backend == Backend::Sqlite { on_sqlite } else { on_postgres };
    };
    let bounds = asked.split_once("..").map(|(first, end)| (first.parse(), end.parse()));
    let Some((Ok(first), Ok(end))) = bounds else {
        panic!("COHORT_SEEDS: expected two numbers like 0..40, got {asked:?}")
    };
    first..end
}

fn live_through_seeds(backend: Backend) {
    let seeds = seeds_on(backend);
    let next = AtomicU64::new(seeds.start);
    let next_seed = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                for seed in std::iter::from_fn(next_seed) {
                    let (differences, trace) = live(seed, backend);
                    let again = format!("{backend:?} COHORT_SEEDS={seed}..{}", seed + 1);
                    assert!(differences.is_empty(), "{trace}\n{again}\n{}", differences.join("\n"));
                }
            });
        }
    });
}

#[test]
fn in_whatever_order_each_user_ends_with_one_outcome_and_repeats_have_a_reason() {
    live_through_seeds(Backend::Sqlite);
}

#[test]
fn on_postgres_too_each_user_ends_with_one_outcome_and_repeats_have_a_reason() {
    live_through_seeds(Backend::Postgres);
}

#[test]
fn a_seed_lives_the_same_again() {
    for (seed, backend) in [(1, Backend::Sqlite), (2, Backend::Sqlite), (1, Backend::Postgres)] {
        let (once, again) = (live(seed, backend).1, live(seed, backend).1);
        let first_difference = once.lines().zip(again.lines()).find(|(once, again)| once != again);
        assert_eq!(
            (first_difference, once.len()),
            (None, again.len()),
            "seed {seed} on {backend:?}"
        );
    }
}
