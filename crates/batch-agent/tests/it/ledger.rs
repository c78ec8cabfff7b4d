//! The ledger on its own, and under two agents (D2, F3, M6).

use std::collections::{BTreeSet, HashSet};

use cohort_batch_agent::{
    Chunk, ChunkResult, Claim, FailedReason, Firing, Lane, Ledger, LedgerError, MembersRead,
    NewRun, Outcome, OutcomeQuery, Plan, Run, RunState, SkippedReason, Status, UnprocessedReason,
    Watermark,
};
use cohort_preferences::{PreferenceGroup, StatedGroup, TenantId};
use serde_json::json;

use crate::stage::{Stage, instant};

const NOW: &str = "2026-12-01T09:00:00Z";

fn claim(holder: &str) -> Claim {
    Claim { holder: holder.into(), at: instant(NOW), lease_until: instant("2026-12-01T09:01:00Z") }
}

fn lane(stage: &Stage) -> Lane {
    Lane { job: stage.job.job_id.clone(), priority: stage.job.priority }
}

/// Opens the run of nine or ten o'clock; `None` if it was open already.
async fn open(stage: &Stage, ledger: &dyn Ledger, time: &str) -> Option<Run> {
    open_run(stage, ledger, time, None).await
}

async fn open_run(
    stage: &Stage,
    ledger: &dyn Ledger,
    time: &str,
    unprocessed: Option<(UnprocessedReason, Option<u64>)>,
) -> Option<Run> {
    let job = &stage.job.job_id;
    ledger.ensure_job(job, instant("2026-12-01T00:00:00Z")).await.expect("a job");
    let group = PreferenceGroup::parse("daily", time, "UTC")
        .expect("a group")
        .expect("everything is stated");
    let run = NewRun {
        job_version: None,
        feature_type: stage.job.feature_type.clone(),
        group,
        stated: vec![StatedGroup::parse("daily", time, "UTC").expect("a group")],
        occurrence: Firing {
            at: instant(&format!("2026-12-01T{time}:00Z")),
            nominal: format!("2026-12-01T{time}").parse().expect("a nominal time"),
        },
        priority: stage.job.priority,
        unprocessed,
    };
    let watermark =
        Watermark { planned_until: instant(NOW), known_until: instant(NOW), replan_from: None };
    let plan = Plan { watermark, runs: vec![run], tzdb: None };
    let opened = ledger.open_runs(job, plan, instant(NOW)).await.expect("runs");
    ledger.run(*opened.first()?).await.expect("a run")
}

fn members(numbers: &[u64]) -> Vec<(u64, TenantId)> {
    numbers
        .iter()
        .map(|number| (*number, format!("t{number}").parse().expect("a tenant")))
        .collect()
}

async fn read(
    ledger: &dyn Ledger,
    run: &Run,
    numbers: &[u64],
    chunk_size: usize,
) -> Option<Vec<Chunk>> {
    let stated = run.stated.clone();
    let read = MembersRead {
        run,
        stated,
        members: members(numbers),
        next_cursor: None,
        chunk_size,
        claim: claim("a"),
    };
    ledger.add_members(vec![read]).await.expect("chunks").remove(0)
}

fn outcome(chunk: &Chunk, place: usize, status: Status) -> Outcome {
    let member = &chunk.open[place];
    Outcome {
        ordinal: member.ordinal,
        number: member.number,
        status,
        detail: None,
        attempts: 1,
        preference_version: Some(1),
        stale: false,
        result: None,
        purpose_version: Some(3),
        repeats: member.repeats.clone(),
    }
}

fn result_of(chunk: &Chunk, outcomes: Vec<Outcome>) -> ChunkResult {
    ChunkResult {
        chunk: chunk.id,
        run: chunk.run,
        token: chunk.token,
        attempts: 1,
        outcomes,
        rest: None,
        retried: Vec::new(),
        at: instant(NOW),
    }
}

#[tokio::test]
async fn an_agent_whose_claim_has_passed_on_records_nothing() {
    let stage = Stage::at(NOW, &json!({}));
    let ledger = stage.ledger();
    let run = open(&stage, &*ledger, "09:00").await.expect("opened");
    let old = read(&*ledger, &run, &[1, 2], 25).await.expect("chunks").remove(0);
    assert_eq!(
        ledger.rescue_chunks(instant("2026-12-01T09:00:59Z")).await.expect("rescued"),
        0,
        "the lease still holds"
    );
    assert_eq!(ledger.rescue_chunks(instant("2026-12-01T09:01:01Z")).await.expect("rescued"), 1);
    let new =
        ledger.claim_suspect(&lane(&stage), claim("b")).await.expect("claimed").expect("ready");
    assert!(new.token > old.token);

    let both = |chunk: &Chunk| {
        vec![outcome(chunk, 0, Status::Succeeded), outcome(chunk, 1, Status::Succeeded)]
    };
    let refused = ledger.record_outcomes(result_of(&old, both(&old))).await;
    assert!(
        matches!(refused, Err(LedgerError::LostClaim { chunk }) if chunk == old.id),
        "{refused:?}"
    );
    assert_eq!(stage.outcomes().await.len(), 0);
    assert_eq!(ledger.run(run.id).await.expect("a run").expect("there").counts.succeeded, 0);
    ledger.record_outcomes(result_of(&new, both(&new))).await.expect("recorded");
    let again = ledger.record_outcomes(result_of(&new, both(&new))).await;
    assert!(matches!(again, Err(LedgerError::LostClaim { .. })), "{again:?}");
    assert_eq!(stage.told_runs().await, ["2026-12-01T09:00 closed succeeded=2 missed=0 -"]);
}

#[tokio::test]
async fn a_run_is_opened_once_and_a_page_is_taken_once() {
    let stage = Stage::at(NOW, &json!({}));
    let ledger = stage.ledger();
    let run = open(&stage, &*ledger, "09:00").await.expect("opened");
    assert!(open(&stage, &*ledger, "09:00").await.is_none());
    assert!(read(&*ledger, &run, &[1, 2], 25).await.is_some());
    assert!(read(&*ledger, &run, &[1, 2], 25).await.is_none());
    assert_eq!(ledger.run(run.id).await.expect("a run").expect("there").counts.members, 2);
}

#[tokio::test]
async fn a_run_of_a_paused_job_that_is_still_to_be_counted_closes_with_its_count() {
    let stage = Stage::at(NOW, &json!({}));
    let ledger = stage.ledger();
    let run = open_run(&stage, &*ledger, "09:00", Some((UnprocessedReason::JobPaused, None)))
        .await
        .expect("a run");
    assert_eq!((run.state, run.reason), (RunState::Reading, Some(UnprocessedReason::JobPaused)));
    ledger
        .give_up_reading(run.id, UnprocessedReason::JobPaused, Some(3), instant(NOW))
        .await
        .expect("counted");
    let run = ledger.run(run.id).await.expect("read").expect("a run");
    assert_eq!(
        (run.state, run.counts.skipped, run.counts.missed, run.closed_at),
        (RunState::Closed, 3, 0, Some(instant(NOW)))
    );
}

#[tokio::test]
async fn who_comes_back_under_the_name_of_somebody_erased_is_somebody_else() {
    let stage = Stage::at(NOW, &json!({}));
    let ledger = stage.ledger();
    let name = members(&[1]).remove(0).1;
    for (time, number) in [("09:00", 1), ("10:00", 2)] {
        let run = open(&stage, &*ledger, time).await.expect("opened");
        let (members, claim) = (vec![(number, name.clone())], claim("a"));
        let read = MembersRead {
            run: &run,
            stated: run.stated.clone(),
            members,
            next_cursor: None,
            chunk_size: 25,
            claim,
        };
        ledger.add_members(vec![read]).await.expect("added").remove(0).expect("chunks");
    }
    let names = ledger.tenant_names(vec![1, 2]).await.expect("names");
    assert_eq!((names[&1].as_str(), &names[&2]), ("erased:1", &name));
}

#[tokio::test]
async fn who_has_run_is_found_at_the_edges_of_chunks_and_in_open_work() {
    let stage = Stage::at(NOW, &json!({}));
    let ledger = stage.ledger();
    let first = open(&stage, &*ledger, "09:00").await.expect("opened");
    let chunks = read(&*ledger, &first, &[10, 20, 30, 40, 50], 2).await.expect("chunks");
    let rejected = Status::Failed(FailedReason::Rejected);
    let skipped = Status::Skipped(SkippedReason::Disabled);
    let one =
        vec![outcome(&chunks[0], 0, Status::Succeeded), outcome(&chunks[0], 1, Status::Succeeded)];
    ledger.record_outcomes(result_of(&chunks[0], one)).await.expect("recorded");
    let two = vec![outcome(&chunks[1], 0, rejected), outcome(&chunks[1], 1, skipped)];
    ledger.record_outcomes(result_of(&chunks[1], two)).await.expect("recorded");

    let second = open(&stage, &*ledger, "10:00").await.expect("opened");
    let own = read(&*ledger, &second, &[50], 2).await.expect("chunks").remove(0);
    let asked = vec![9, 10, 15, 20, 25, 30, 35, 40, 45, 50, 51];
    let ran = async |run: &Run, dates: [&str; 2], chunk: &Chunk| {
        let [from, to] = dates.map(|date| date.parse().expect("a date"));
        let found =
            ledger.already_ran(run, from..=to, chunk, asked.clone()).await.expect("looked up");
        found.into_iter().collect::<BTreeSet<_>>()
    };
    let day = ["2026-12-01"; 2];
    assert_eq!(ran(&second, day, &own).await, BTreeSet::from([10, 20, 30, 50]));
    assert_eq!(
        ran(&second, ["2026-11-30", "2026-12-06"], &own).await,
        BTreeSet::from([10, 20, 30, 50])
    );
    assert_eq!(ran(&second, ["2026-12-02"; 2], &own).await, BTreeSet::new());
    let of_first = ran(&first, day, &chunks[2]).await;
    assert_eq!(
        of_first,
        BTreeSet::new(),
        "neither its own run counts, nor work that was opened after it"
    );
    ledger
        .record_outcomes(result_of(&own, vec![outcome(&own, 0, Status::Succeeded)]))
        .await
        .expect("recorded");
    assert_eq!(ran(&first, day, &chunks[2]).await, BTreeSet::from([50]));
}

#[tokio::test]
async fn the_parts_of_a_split_chunk_are_ready_each_and_as_old_as_the_whole() {
    let stage = Stage::at(NOW, &json!({}));
    let ledger = stage.ledger();
    let first = open(&stage, &*ledger, "09:00").await.expect("opened");
    let whole = read(&*ledger, &first, &[10, 20], 25).await.expect("chunks").remove(0);
    let second = open(&stage, &*ledger, "10:00").await.expect("opened");
    let later = read(&*ledger, &second, &[10], 25).await.expect("chunks").remove(0);
    ledger.split_chunk(&whole, instant(NOW)).await.expect("split");
    let again = ledger.split_chunk(&whole, instant(NOW)).await;
    assert!(matches!(again, Err(LedgerError::LostClaim { .. })), "{again:?}");

    let parts = ledger.claim_chunks(&lane(&stage), claim("a"), 10).await.expect("claimed");
    assert_eq!(
        parts.iter().map(|part| part.open.clone()).collect::<Vec<_>>(),
        whole.open.chunks(1).collect::<Vec<_>>()
    );
    let day = || "2026-12-01".parse().expect("a date")..="2026-12-01".parse().expect("a date");
    let ran = ledger.already_ran(&second, day(), &later, vec![10]).await.expect("looked up");
    assert_eq!(ran, HashSet::from([10]), "the first run has the user still");
    let ran = ledger.already_ran(&first, day(), &parts[0], vec![10]).await.expect("looked up");
    assert_eq!(ran, HashSet::new(), "so that only one of both gives way (M6)");
    for part in &parts {
        ledger
            .record_outcomes(result_of(part, vec![outcome(part, 0, Status::Succeeded)]))
            .await
            .expect("recorded");
    }
    assert_eq!(stage.told_runs().await[0], "2026-12-01T09:00 closed succeeded=2 missed=0 -");
    let places = ledger
        .member_standings(&stage.job.job_id, 10, first.occurrence.at)
        .await
        .expect("looked up");
    assert_eq!(
        places.iter().map(|place| place.chunk.id).collect::<Vec<_>>(),
        [parts[0].id],
        "the whole does not count as well"
    );
}

#[tokio::test]
async fn pages_of_outcomes_neither_repeat_nor_lose_while_more_are_written() {
    let stage = Stage::with_daily_users(10, &json!({}));
    let agent = stage.agent().await;
    agent.until("2026-12-01T12:00:00Z").await;
    let ledger = stage.ledger();
    let (mut seen, mut cursor) = (Vec::new(), None);
    for page in 0.. {
        let query =
            OutcomeQuery { limit: Some(4), cursor: cursor.take(), ..OutcomeQuery::default() };
        let (outcomes, next) = ledger.outcomes(query).await.expect("outcomes");
        seen.extend(
            outcomes.into_iter().map(|outcome| (outcome.run_id, outcome.tenant_id.to_string())),
        );
        if page == 0 {
            agent.until("2026-12-02T12:00:00Z").await;
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let all: Vec<_> = stage
        .outcomes()
        .await
        .into_iter()
        .map(|outcome| (outcome.run_id, outcome.tenant_id.to_string()))
        .collect();
    assert_eq!(seen.len(), 20);
    assert_eq!(seen, all);
    let wrong = OutcomeQuery { cursor: Some("yesterday".into()), ..OutcomeQuery::default() };
    assert!(matches!(ledger.outcomes(wrong).await, Err(LedgerError::Cursor(_))));
}

#[tokio::test]
async fn two_agents_on_one_ledger_open_each_run_once_and_call_each_user_once() {
    let stage = Stage::with_daily_users(200, &json!({}));
    for user in 0..50 {
        stage.source.set(
            &format!("u{user}"),
            json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "Europe/Berlin"}),
        );
    }
    let a = stage.agent_of(stage.builder().holder("a")).await;
    let b = stage.agent_of(stage.builder().holder("b")).await;
    tokio::join!(a.until("2026-12-03T12:00:00Z"), b.until("2026-12-03T12:00:00Z"));

    stage
        .assert_each_succeeded_once(
            200,
            &["2026-12-01T09:00", "2026-12-02T09:00", "2026-12-03T09:00"],
        )
        .await;
    assert_eq!(stage.runs().await.len(), 6);
    assert_eq!(stage.handler.calls().len(), 600);
}
