//! Users of each value of a label are served in turn (D7).
//!
//! | planted bug | red |
//! | --- | --- |
//! | chunks are claimed in the order in which they were read | all |
//! | hands go to work before the members are read ahead | `a_few_users_of_one_value_do_not_wait_for_the_many_of_another` |
//! | turns of a value that comes late begin at 1 | `a_value_that_was_away_saves_nothing_up` |
//! | turns of a value that comes late begin behind all others | `a_value_that_comes_late_is_served_in_turn_with_those_that_wait` |

use std::sync::Arc;

use cohort_batch_agent::{Claim, Firing, Lane, Ledger, Mark, MembersQueued, MembersRead, NewRun, Plan, RunId, Settlement};
use cohort_preferences::{PreferenceGroup, StatedGroup};
use serde_json::json;

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Stage, daily, instant};

const NOW: &str = "2026-12-01T09:00:00Z";

#[tokio::test]
async fn a_few_users_of_one_value_do_not_wait_for_the_many_of_another() {
    let stage = Stage::at("2026-12-01T03:00:00Z", &json!({"fair_share_by": "org"}));
    for user in 0..500 {
        stage.source.set(&format!("u{user}"), daily("09:00"));
        if user < 490 {
            stage.source.label(&format!("u{user}"), if user < 465 { "big" } else { "small" });
        }
    }
    stage.source.faults(Faults { page_limit: Some(100), ..Faults::default() });
    stage.handler.script("u470", Script::Retry { times: 2, after_s: None });
    stage.run_until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(500, &["2026-12-01T09:00"]).await;
    let of_small_or_none = |call: &crate::handler::Call| call.users[0].tenant_id.as_str()[1..].parse::<u32>().expect("a number") >= 465;
    let first_calls = stage.handler.calls().into_iter().take(25 + 25 + 10).filter(of_small_or_none).count();
    assert_eq!(first_calls, 35, "a chunk of each value goes first");
}

/// The ledger's queue of one lane.
struct Queue {
    ledger: Arc<dyn Ledger>,
    stage: Stage,
    lane: Lane,
    /// The values of the chunks by their users' numbers.
    values: Vec<String>,
}

impl Queue {
    fn new() -> Self {
        let stage = Stage::at(NOW, &json!({"fair_share_by": "org"}));
        let lane = Lane { job: stage.job.job_id.clone(), priority: stage.job.priority };
        Self { ledger: stage.ledger(), stage, lane, values: Vec::new() }
    }

    fn claim() -> Claim {
        Claim { holder: "a".into(), at: instant(NOW), lease_until: instant("2026-12-01T09:01:00Z") }
    }

    async fn open(&self) -> RunId {
        let (ledger, job) = (&self.ledger, &self.lane.job);
        ledger.ensure_job(job, instant("2026-12-01T00:00:00Z")).await.expect("a job");
        let minute = format!("08:{:02}", self.values.len());
        let group = PreferenceGroup::parse("daily", &minute, "UTC").expect("a group").expect("everything is stated");
        let nominal = format!("2026-12-01T{minute}");
        let run = NewRun {
            job_version: None,
            feature_type: self.stage.job.feature_type.clone(),
            group,
            stated: vec![StatedGroup::parse("daily", &minute, "UTC").expect("a group")],
            occurrence: Firing { at: instant(&format!("{nominal}:00Z")), nominal: nominal.parse().expect("a nominal time") },
            priority: self.lane.priority,
            unprocessed: None,
        };
        let mark = Mark { planned_until: instant(NOW), known_until: instant(NOW), replan_from: None };
        ledger.open_runs(job, Plan { mark, runs: vec![run], tzdb: None }, instant(NOW)).await.expect("opened").remove(0)
    }

    /// A run whose users are of these values, a chunk each.
    async fn add(&mut self, values: &[&str]) {
        let run = self.open().await;
        let run = self.ledger.run(run).await.expect("read").expect("there");
        let numbers = self.values.len() as u64..;
        let members = numbers.zip(values).map(|(number, _)| (number, format!("t{number}").parse().expect("a tenant"))).collect();
        let read = MembersRead { run: &run, stated: run.stated.clone(), members, next_cursor: None, chunk_size: 1, claim: Self::claim() };
        let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
        self.values.extend(values.clone());
        assert!(self.ledger.queue_members(MembersQueued { read, values }).await.expect("queued"));
    }

    /// The values of the next chunks, which are done with that.
    async fn serve(&self, chunks: usize) -> String {
        let claimed = self.ledger.claim_chunks(&self.lane, Self::claim(), chunks).await.expect("claimed");
        let mut served = String::new();
        for chunk in claimed {
            served.push_str(&self.values[chunk.open[0].number as usize]);
            let (chunk, run, token) = (chunk.id, chunk.run, chunk.token);
            let at = instant(NOW);
            let done = Settlement { chunk, run, token, attempts: 1, outcomes: Vec::new(), rest: None, retried: Vec::new(), at };
            self.ledger.record_outcomes(done).await.expect("recorded");
        }
        served
    }
}

#[tokio::test]
async fn a_value_that_comes_late_is_served_in_turn_with_those_that_wait() {
    let mut queue = Queue::new();
    queue.add(&["a"; 8]).await;
    assert_eq!(queue.serve(2).await, "aa");
    queue.add(&["b"; 3]).await;
    let next: Vec<_> = [queue.serve(2).await, queue.serve(2).await, queue.serve(2).await].map(sorted).into();
    assert_eq!(next, ["ab", "ab", "ab"]);
    assert_eq!(queue.serve(9).await, "aaa");
}

#[tokio::test]
async fn a_value_that_was_away_saves_nothing_up() {
    let mut queue = Queue::new();
    queue.add(&["a"; 9]).await;
    assert_eq!(queue.serve(9).await, "aaaaaaaaa");
    queue.add(&["a"; 4]).await;
    queue.add(&["b"; 4]).await;
    assert_eq!(sorted(queue.serve(4).await), "aabb");
}

fn sorted(served: String) -> String {
    let mut values: Vec<char> = served.chars().collect();
    values.sort_unstable();
    values.into_iter().collect()
}
