//! Claiming chunks, losing claims, and the deaths of holders (F3, F9, D5).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fixtures::{
    Handles, Promise, claim, claim_ready, ended, job, lane, new_run, nine, numbers, open, read,
    reread, seconds_past_nine,
};
use crate::{Claim, LedgerError, RunState, Status, Treatment, WaitingWork};

pub(super) const ALL: [Promise; 4] = [
    |ledger| Box::pin(what_ends_without_a_call_is_claimed_and_nothing_else(ledger)),
    |ledger| Box::pin(two_who_claim_at_once_share_what_is_ready(ledger)),
    |ledger| Box::pin(a_claim_ends_by_its_lease_and_its_holder_then_records_nothing(ledger)),
    |ledger| Box::pin(a_chunk_whose_holders_died_is_split_in_its_lane(ledger)),
];

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

async fn what_ends_without_a_call_is_claimed_and_nothing_else(Handles { one, other }: Handles) {
    let [late, canceled, due] = [new_run("07:00"), new_run("08:00"), new_run("09:00")];
    let mut runs = Vec::new();
    for (run, number) in [(late, 1), (canceled, 2), (due, 3)] {
        let run = open(&*one, run).await.expect("opened");
        read(&*one, &run, [number], 1).await;
        runs.push(run);
    }
    one.release_chunks("a", nine()).await.expect("released");
    one.cancel_run(runs[1].id, nine()).await.expect("canceled");
    let before = seconds_past_nine(-7_199);
    let claimed = other.claim_ended(&lane(), claim("b"), before, 10).await.expect("claims");
    assert_eq!(numbers(&claimed), BTreeSet::from([1, 2]));
    let rest = claim_ready(&*one, claim("c"), 10).await;
    assert_eq!(numbers(&rest), BTreeSet::from([3]));
}

async fn a_claim_ends_by_its_lease_and_its_holder_then_records_nothing(
    Handles { one, other }: Handles,
) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let chunks = read(&*one, &run, 1..=3, 1).await;
    let [kept, lost, silent] = &chunks[..] else { panic!("three chunks") };
    let later =
        Claim { at: seconds_past_nine(50), lease_until: seconds_past_nine(110), ..claim("a") };
    one.renew_claims(later.clone(), vec![kept.id]).await.expect("renewed");
    one.renew_claims(Claim { holder: "b".into(), ..later }, vec![lost.id])
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
    let ended_late =
        Claim { at: seconds_past_nine(61), lease_until: seconds_past_nine(999), ..claim("a") };
    one.renew_claims(ended_late, vec![silent.id]).await.expect("does nothing");

    let b = Claim { at: seconds_past_nine(61), ..claim("b") };
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
    assert_eq!(chunk.treatment(), Treatment::Split);
    one.split_chunk(&chunk, nine()).await.expect("split");
    assert!(matches!(other.split_chunk(&chunk, nine()).await, Err(LedgerError::LostClaim { .. })));
    let alone = claim_ready(&*other, claim("b"), 10).await;
    assert_eq!((numbers(&alone), alone.len()), ((1..=3).collect(), 3));
    assert!(alone.iter().all(|part| part.split_from == Some(chunk.id) && part.deaths == 0));
    for part in &alone {
        other.record_outcomes(ended(part, Status::Succeeded, nine())).await.expect("recorded");
    }
    assert_eq!(reread(&*one, &run).await.state, RunState::Closed);
    let standings = one.member_standings(&job(), 2, nine()).await.expect("found");
    assert_eq!(
        standings.iter().map(|standing| standing.chunk.id).collect::<Vec<_>>(),
        [alone[1].id]
    );
}
