//! Opening, reading, claiming, recording (F3, D2).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Handles, Promise, claim, claim_ready, ended, new_run, nine, numbers, open, outcome, page, plan,
    read, reread, seconds_past_nine,
};
use super::{job, lane};
use crate::{
    ChunkResult, FailedReason, Fate, LedgerError, MembersRead, RetriedAttempt, RunState,
    SkippedReason, Status, UnprocessedReason, WaitingWork,
};

pub(super) const ALL: [Promise; 11] = [
    |ledger| Box::pin(opening_a_run_is_an_election(ledger)),
    |ledger| Box::pin(the_mark_never_goes_back(ledger)),
    |ledger| Box::pin(a_page_is_taken_once(ledger)),
    |ledger| Box::pin(a_run_is_read_page_by_page_and_ends_with_the_last(ledger)),
    |ledger| Box::pin(two_who_claim_at_once_share_what_is_ready(ledger)),
    |ledger| Box::pin(a_claim_ends_by_its_lease_and_its_holder_then_records_nothing(ledger)),
    |ledger| Box::pin(what_is_to_be_tried_again_waits_and_keeps_its_members(ledger)),
    |ledger| Box::pin(of_many_who_record_at_once_exactly_one_closes_the_run(ledger)),
    |ledger| Box::pin(a_lost_claim_undoes_only_itself(ledger)),
    |ledger| Box::pin(a_run_that_is_not_read_closes_with_its_count(ledger)),
    |ledger| Box::pin(a_chunk_whose_holders_died_is_split_in_its_lane(ledger)),
];

async fn opening_a_run_is_an_election(Handles { one, other }: Handles) {
    one.ensure_job(&job(), nine()).await.expect("a job");
    let openers = (0..8).map(|opener| {
        let ledger = Arc::clone(if opener % 2 == 0 { &one } else { &other });
        // Each plans the same two runs, every other in the other order.
        let mut runs = vec![new_run("08:00"), new_run("09:00")];
        if opener % 4 > 1 {
            runs.reverse();
        }
        tokio::spawn(async move {
            ledger.open_runs(&job(), plan(runs), nine()).await.expect("opens").len()
        })
    });
    let mut opened = 0;
    for opener in openers.collect::<Vec<_>>() {
        opened += opener.await.expect("no panic");
    }
    assert_eq!((opened, one.runs(crate::RunQuery::default()).await.expect("lists").len()), (2, 2));
}

async fn the_mark_never_goes_back(Handles { one, .. }: Handles) {
    let first = one.ensure_job(&job(), nine()).await.expect("a job");
    assert_eq!(
        (first.planned_until, first.known_until, first.replan_from),
        (nine(), nine(), None),
        "a new job has nothing to catch up on"
    );
    let watermark =
        |until| crate::Watermark { planned_until: until, known_until: until, replan_from: None };
    for until in [seconds_past_nine(60), seconds_past_nine(30)] {
        let plan = crate::Plan { watermark: watermark(until), runs: Vec::new(), tzdb: None };
        one.open_runs(&job(), plan, nine()).await.expect("plans");
    }
    assert_eq!(
        one.ensure_job(&job(), seconds_past_nine(90)).await.expect("a job"),
        watermark(seconds_past_nine(60))
    );
    open(&*one, new_run("09:00")).await.expect("opened");
    let named = async |date: &str| {
        one.named_since(&job(), date.parse().expect("a date")).await.expect("lists")
    };
    assert_eq!(
        named("2026-12-01").await,
        [(super::group("09:00"), new_run("09:00").occurrence.nominal)].into()
    );
    assert_eq!(named("2026-12-02").await, [].into());
}

async fn a_page_is_taken_once(Handles { one, other }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    // More pages follow, so that only the cursor tells that this one is read.
    let first_page =
        || MembersRead { next_cursor: Some("behind 60".into()), ..page(&run, 1..=60, 25) };
    let (first, second) =
        tokio::join!(one.add_members(vec![first_page()]), other.add_members(vec![first_page()]));
    let taken: Vec<_> =
        [first, second].into_iter().flat_map(|added| added.expect("adds")).flatten().collect();
    assert_eq!(taken.len(), 1, "of two who read the same page one adds it");
    assert_eq!(taken[0].iter().map(|chunk| chunk.open.len()).collect::<Vec<_>>(), [25, 25, 10]);
    assert_eq!(numbers(&taken[0]), (1..=60).collect());
    let places: Vec<_> =
        taken[0].iter().flat_map(|chunk| &chunk.open).map(|member| member.ordinal).collect();
    assert_eq!(places, (0..60).collect::<Vec<_>>());
    let run = reread(&*other, &run).await;
    assert_eq!((run.state, run.counts.members), (RunState::Reading, 60));
    assert_eq!(one.tenant_names(vec![1, 60]).await.expect("names")[&60].as_str(), "t60");
    assert!(one.tenant_names(vec![61]).await.is_err(), "nobody has told who that is");
}

async fn a_run_is_read_page_by_page_and_ends_with_the_last(Handles { one, .. }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let beside = open(&*one, crate::NewRun { group: super::group("08:59"), ..new_run("09:00") })
        .await
        .expect("opened");
    assert_eq!(
        one.unread_beside(&run, nine(), 10).await.expect("lists"),
        std::slice::from_ref(&beside)
    );
    let mut first = page(&run, 1..=30, 25);
    first.next_cursor = Some("behind 30".into());
    // Two runs in one call, the later one first: both are added, each at its place.
    let empty = page(&beside, [], 25);
    let mut added = one.add_members(vec![empty, first]).await.expect("adds");
    let (chunks, none) = (added.remove(1).expect("taken"), added.remove(0).expect("taken"));
    assert_eq!((chunks.len(), none.len()), (2, 0));
    assert_eq!(
        reread(&*one, &beside).await.state,
        RunState::Closed,
        "a run without members is over when it is read"
    );
    for chunk in &chunks {
        one.record_outcomes(ended(chunk, Status::Succeeded, nine())).await.expect("recorded");
    }
    let reading = reread(&*one, &run).await;
    assert_eq!(
        (reading.state, reading.cursor.as_deref(), reading.counts.succeeded),
        (RunState::Reading, Some("behind 30"), 30)
    );
    assert!(
        one.unread_beside(&beside, nine(), 10).await.expect("lists").is_empty(),
        "a run that is begun is read on its own"
    );
    one.postpone_reading(run.id, seconds_past_nine(5)).await.expect("postponed");
    let waiting = one.backlog(seconds_past_nine(4)).await.expect("looks");
    assert!(waiting.is_empty(), "{waiting:?}");
    assert_eq!(
        one.next_run_to_read(&lane(), seconds_past_nine(5))
            .await
            .expect("looks")
            .map(|run| run.read_faults),
        Some(1)
    );
    let last = read(&*one, &reading, 31..=31, 25).await;
    assert_eq!(last[0].open[0].ordinal, 30);
    one.record_outcomes(ended(&last[0], Status::Succeeded, seconds_past_nine(6)))
        .await
        .expect("recorded");
    let closed = reread(&*one, &run).await;
    assert_eq!(
        (closed.state, closed.counts.members, closed.closed_at),
        (RunState::Closed, 31, Some(seconds_past_nine(6)))
    );
}

async fn two_who_claim_at_once_share_what_is_ready(Handles { one, other }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    read(&*one, &run, 1..=40, 1).await;
    assert!(
        claim_ready(&*one, claim("b"), 50).await.is_empty(),
        "what was read is held by its reader"
    );
    assert_eq!(one.release_chunks("a", nine()).await.expect("released"), 40);
    assert_eq!(
        one.coming().await.expect("looks").iter().map(|waiting| waiting.work).collect::<Vec<_>>(),
        [WaitingWork::Chunks]
    );
    let claimers = (0..8).map(|claimer| {
        let ledger = Arc::clone(if claimer % 2 == 0 { &one } else { &other });
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            for _ in 0..4 {
                let more = claim_ready(&*ledger, claim(&format!("agent-{claimer}")), 1).await;
                assert_eq!(more.len(), 1, "no more than asked for, and that while there is enough");
                claimed.extend(more);
            }
            claimed
        })
    });
    let mut claimed = claim_ready(&*other, claim("c"), 6).await;
    for claimer in claimers.collect::<Vec<_>>() {
        claimed.extend(claimer.await.expect("no panic"));
    }
    assert_eq!(
        (claimed.len(), numbers(&claimed).len()),
        (38, 38),
        "nobody claims what another has"
    );
    assert!(claimed.iter().all(|chunk| chunk.token == 2), "each claim has a token of its own");
    claimed.extend(claim_ready(&*one, claim("b"), 50).await);
    assert_eq!(numbers(&claimed), (1..=40).collect::<BTreeSet<_>>());
}

async fn a_claim_ends_by_its_lease_and_its_holder_then_records_nothing(
    Handles { one, other }: Handles,
) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let chunks = read(&*one, &run, 1..=3, 1).await;
    let [kept, lost, silent] = &chunks[..] else { panic!("three chunks") };
    let later = crate::Claim {
        at: seconds_past_nine(50),
        lease_until: seconds_past_nine(110),
        ..claim("a")
    };
    one.renew_claims(later.clone(), vec![kept.id]).await.expect("renewed");
    one.renew_claims(crate::Claim { holder: "b".into(), ..later }, vec![lost.id])
        .await
        .expect("does nothing");
    assert_eq!(
        other.rescue_chunks(seconds_past_nine(60)).await.expect("looks"),
        0,
        "the lease holds to its end"
    );
    assert_eq!(
        other.rescue_chunks(seconds_past_nine(61)).await.expect("rescued"),
        2,
        "age says nothing, the lease does"
    );
    let ended_late = crate::Claim {
        at: seconds_past_nine(61),
        lease_until: seconds_past_nine(999),
        ..claim("a")
    };
    one.renew_claims(ended_late, vec![silent.id]).await.expect("does nothing");

    let b = crate::Claim { at: seconds_past_nine(61), ..claim("b") };
    let suspect = other.claim_suspect(&lane(), b).await.expect("claims").expect("it is ready");
    assert_eq!((suspect.id, suspect.token, suspect.deaths), (lost.id, 2, 1));
    let refused = one.record_outcomes(ended(lost, Status::Succeeded, nine())).await;
    assert!(
        matches!(refused, Err(LedgerError::LostClaim { chunk }) if chunk == lost.id),
        "{refused:?}"
    );
    assert_eq!(reread(&*one, &run).await.counts.succeeded, 0);
    other.record_outcomes(ended(&suspect, Status::Succeeded, nine())).await.expect("recorded");
    let again = other.record_outcomes(ended(&suspect, Status::Succeeded, nine())).await;
    assert!(matches!(again, Err(LedgerError::LostClaim { .. })), "{again:?}");
    one.record_outcomes(ended(kept, Status::Succeeded, nine()))
        .await
        .expect("the renewed claim holds");
    assert_eq!(reread(&*one, &run).await.counts.succeeded, 2);
}

async fn what_is_to_be_tried_again_waits_and_keeps_its_members(Handles { one, .. }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let chunk = read(&*one, &run, 1..=3, 25).await.remove(0);
    let mut rest = chunk.open[1..].to_vec();
    for member in &mut rest {
        member.attempts += 1;
    }
    let retried = |member: &crate::OpenMember| RetriedAttempt {
        ordinal: member.ordinal,
        number: member.number,
        attempt: 1,
        error: Some("busy\0".into()),
    };
    let settlement = ChunkResult {
        outcomes: vec![outcome(&chunk.open[0], Status::Failed(FailedReason::Rejected))],
        retried: rest.iter().map(retried).collect(),
        rest: Some((rest.clone(), seconds_past_nine(30))),
        ..ended(&chunk, Status::Succeeded, nine())
    };
    one.record_outcomes(settlement).await.expect("recorded");
    let later = |seconds| crate::Claim { at: seconds_past_nine(seconds), ..claim("b") };
    assert!(claim_ready(&*one, later(29), 10).await.is_empty());
    let again = claim_ready(&*one, later(30), 10).await.remove(0);
    assert_eq!(
        (again.id, &again.open, again.attempts, again.token, again.fate()),
        (chunk.id, &rest, 1, 2, Fate::Attempt)
    );
    one.record_outcomes(ended(
        &again,
        Status::Skipped(SkippedReason::Snoozed),
        seconds_past_nine(40),
    ))
    .await
    .expect("recorded");
    let run = reread(&*one, &run).await;
    assert_eq!(
        (run.state, run.counts.succeeded, run.counts.failed, run.counts.skipped),
        (RunState::Closed, 0, 1, 2)
    );
}

async fn of_many_who_record_at_once_exactly_one_closes_the_run(Handles { one, other }: Handles) {
    let runs = [
        open(&*one, new_run("08:00")).await.expect("opened"),
        open(&*one, new_run("09:00")).await.expect("opened"),
    ];
    let mut recorders = Vec::new();
    let (first, second) =
        (read(&*one, &runs[0], 1..=60, 2).await, read(&*one, &runs[1], 1..=60, 2).await);
    for (place, chunk) in
        first.into_iter().zip(second).flat_map(|(first, second)| [first, second]).enumerate()
    {
        let ledger = Arc::clone(if place % 3 == 0 { &other } else { &one });
        recorders.push(tokio::spawn(async move {
            ledger.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await
        }));
    }
    for recorder in recorders {
        recorder.await.expect("no panic").expect("recorded");
    }
    for run in &runs {
        let run = reread(&*other, run).await;
        assert_eq!(
            (run.state, run.counts.succeeded, run.closed_at),
            (RunState::Closed, 60, Some(nine()))
        );
    }
    assert_eq!(one.outcomes(crate::OutcomeQuery::default()).await.expect("lists").0.len(), 120);
}

async fn a_lost_claim_undoes_only_itself(Handles { one, .. }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let chunks = read(&*one, &run, 1..=20, 1).await;
    let mut recorders = Vec::new();
    // Each chunk is recorded twice under one claim, and once under none, all at the same time.
    for chunk in &chunks {
        let outdated = ChunkResult {
            token: 0,
            ..ended(chunk, Status::Failed(FailedReason::Rejected), nine())
        };
        for settlement in [
            outdated,
            ended(chunk, Status::Succeeded, nine()),
            ended(chunk, Status::Succeeded, nine()),
        ] {
            let ledger = Arc::clone(&one);
            recorders.push(tokio::spawn(async move { ledger.record_outcomes(settlement).await }));
        }
    }
    let mut recorded = 0;
    for recorder in recorders {
        match recorder.await.expect("no panic") {
            Ok(()) => recorded += 1,
            Err(LedgerError::LostClaim { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let run = reread(&*one, &run).await;
    assert_eq!(
        (recorded, run.state, run.counts.succeeded, run.counts.failed),
        (20, RunState::Closed, 20, 0)
    );
}

async fn a_run_that_is_not_read_closes_with_its_count(Handles { one, .. }: Handles) {
    let unprocessed = Some((UnprocessedReason::JobPaused, None));
    let run = open(&*one, crate::NewRun { unprocessed, ..new_run("09:00") }).await.expect("opened");
    assert_eq!((run.state, run.reason), (RunState::Reading, Some(UnprocessedReason::JobPaused)));
    one.give_up_reading(run.id, UnprocessedReason::JobPaused, Some(3), nine())
        .await
        .expect("counted");
    let paused = reread(&*one, &run).await;
    assert_eq!(
        (paused.state, paused.counts.skipped, paused.counts.unread, paused.closed_at),
        (RunState::Closed, 3, 3, Some(nine()))
    );

    let missed = UnprocessedReason::Missed(crate::MissedReason::MembersUnreadable);
    let run = open(&*one, new_run("10:00")).await.expect("opened");
    let mut first = page(&run, 1..=2, 25);
    first.next_cursor = Some("more".into());
    let chunk =
        one.add_members(vec![first]).await.expect("adds").remove(0).expect("taken").remove(0);
    one.give_up_reading(run.id, missed, None, nine()).await.expect("noted");
    assert_eq!(reread(&*one, &run).await.state, RunState::Reading, "it is still to be counted");
    one.give_up_reading(run.id, missed, Some(5), nine()).await.expect("counted");
    let waiting = reread(&*one, &run).await;
    assert_eq!(
        (waiting.state, waiting.counts.missed, waiting.reason),
        (RunState::Processing, 5, Some(missed))
    );
    one.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await.expect("recorded");
    assert_eq!(reread(&*one, &run).await.state, RunState::Closed);
}

async fn a_chunk_whose_holders_died_is_split_in_its_lane(Handles { one, other }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    read(&*one, &run, 1..=3, 25).await;
    let mut killed = None;
    for death in 1..=3 {
        assert_eq!(one.take_back_chunks("a", nine()).await.expect("taken back"), 1);
        let suspect =
            one.claim_suspect(&lane(), claim("a")).await.expect("claims").expect("it is ready");
        assert_eq!(suspect.deaths, death);
        killed = Some(suspect);
    }
    let chunk = killed.expect("claimed");
    assert_eq!(chunk.fate(), Fate::Split);
    one.split_chunk(&chunk, nine()).await.expect("split");
    assert!(matches!(other.split_chunk(&chunk, nine()).await, Err(LedgerError::LostClaim { .. })));
    let alone = claim_ready(&*other, claim("b"), 10).await;
    assert_eq!((numbers(&alone), alone.len()), ((1..=3).collect(), 3));
    assert!(alone.iter().all(|part| part.split_from == Some(chunk.id) && part.deaths == 0));
    for part in &alone {
        other.record_outcomes(ended(part, Status::Succeeded, nine())).await.expect("recorded");
    }
    assert_eq!(reread(&*one, &run).await.state, RunState::Closed);
    let places = one.places(&job(), 2, nine()).await.expect("found");
    assert_eq!(places.iter().map(|place| place.chunk.id).collect::<Vec<_>>(), [alone[1].id]);
}
