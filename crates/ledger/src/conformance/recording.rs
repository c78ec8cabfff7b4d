//! Recording what attempts made of chunks (D2, D4).

use std::sync::Arc;

use super::fixtures::{
    Handles, Promise, claim, claim_ready, ended, new_run, nine, open, outcome, read, reread,
    seconds_past_nine,
};
use crate::{
    ChunkResult, Claim, FailedReason, LedgerError, OpenMember, OutcomeQuery, RetriedAttempt,
    RunState, SkippedReason, Status, Treatment,
};

pub(super) const ALL: [Promise; 3] = [
    |ledger| Box::pin(what_is_to_be_tried_again_waits_and_keeps_its_members(ledger)),
    |ledger| Box::pin(of_many_who_record_at_once_exactly_one_closes_the_run(ledger)),
    |ledger| Box::pin(a_lost_claim_undoes_only_itself(ledger)),
];

async fn what_is_to_be_tried_again_waits_and_keeps_its_members(Handles { one, .. }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let chunk = read(&*one, &run, 1..=3, 25).await.remove(0);
    let mut rest = chunk.open[1..].to_vec();
    for member in &mut rest {
        member.attempts += 1;
    }
    let retried = |member: &OpenMember| RetriedAttempt {
        ordinal: member.ordinal,
        number: member.number,
        attempt: 1,
        error: Some("busy\0".into()),
    };
    let result = ChunkResult {
        outcomes: vec![outcome(&chunk.open[0], Status::Failed(FailedReason::Rejected))],
        retried: rest.iter().map(retried).collect(),
        rest: Some((rest.clone(), seconds_past_nine(30))),
        ..ended(&chunk, Status::Succeeded, nine())
    };
    one.record_outcomes(result).await.expect("recorded");
    let later = |seconds| Claim { at: seconds_past_nine(seconds), ..claim("b") };
    assert!(claim_ready(&*one, later(29), 10).await.is_empty());
    let again = claim_ready(&*one, later(30), 10).await.remove(0);
    assert_eq!(
        (again.id, &again.open, again.attempts, again.token, again.treatment()),
        (chunk.id, &rest, 1, 2, Treatment::Attempt)
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
    assert_eq!(one.outcomes(OutcomeQuery::default()).await.expect("lists").0.len(), 120);
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
        for result in [
            outdated,
            ended(chunk, Status::Succeeded, nine()),
            ended(chunk, Status::Succeeded, nine()),
        ] {
            let ledger = Arc::clone(&one);
            recorders.push(tokio::spawn(async move { ledger.record_outcomes(result).await }));
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
