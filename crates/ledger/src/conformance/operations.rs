//! What operators do, and erasure (D6, W8).

use serde_json::json;

use super::fixtures::{
    Handles, Promise, claim, claim_ready, ended, job, members, new_run, nine, open, outcome, page,
    read, reread, seconds_past_nine,
};
use crate::{
    AttemptQuery, AttemptStatus, ChunkResult, FailedReason, LedgerError, Outcome, OutcomeQuery,
    Requeue, RunState, Selection, Status, StatusName, UnprocessedReason,
};

pub(super) const ALL: [Promise; 5] = [
    |ledger| Box::pin(a_canceled_run_is_known_until_it_is_closed(ledger)),
    |ledger| Box::pin(who_failed_is_requeued_by_one_of_two(ledger)),
    |ledger| Box::pin(a_name_that_comes_back_is_somebody_else(ledger)),
    |ledger| Box::pin(who_is_erased_leaves_numbers_only(ledger)),
    |ledger| Box::pin(what_is_no_longer_kept_goes_in_turns(ledger)),
];

fn failures() -> Selection {
    Selection {
        jobs: vec![job()],
        status: Some(StatusName::Failed),
        ended_by: Some(seconds_past_nine(10)),
        ..Selection::default()
    }
}

async fn a_canceled_run_is_known_until_it_is_closed(Handles { one, other }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let mut first = page(&run, 1..=2, 25);
    first.next_cursor = Some("more".into());
    let chunk =
        one.add_members(vec![first]).await.expect("adds").remove(0).expect("taken").remove(0);
    let canceled = other.cancel_run(run.id, seconds_past_nine(1)).await.expect("canceled");
    assert_eq!(
        (canceled.canceled_at, canceled.reason),
        (Some(seconds_past_nine(1)), Some(UnprocessedReason::Canceled))
    );
    assert_eq!(
        one.cancel_run(run.id, seconds_past_nine(2)).await.expect("stays").canceled_at,
        Some(seconds_past_nine(1))
    );
    assert_eq!(one.canceled_runs().await.expect("lists"), [run.id].into());
    one.give_up_reading(run.id, UnprocessedReason::Canceled, Some(5), nine())
        .await
        .expect("counted");
    one.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await.expect("recorded");
    assert!(other.canceled_runs().await.expect("lists").is_empty());
    let done = open(&*one, new_run("10:00")).await.expect("opened");
    read(&*one, &done, [], 25).await;
    assert!(matches!(one.cancel_run(done.id, nine()).await, Err(LedgerError::RunEnded { .. })));
    assert!(matches!(
        one.cancel_run(crate::RunId(99), nine()).await,
        Err(LedgerError::NoSuchRun(_))
    ));
}

async fn who_failed_is_requeued_by_one_of_two(Handles { one, other }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let chunk = read(&*one, &run, 1..=3, 25).await.remove(0);
    let failed = |place: usize, detail: &str| Outcome {
        detail: Some(detail.into()),
        ..outcome(&chunk.open[place], Status::Failed(FailedReason::Rejected))
    };
    let outcomes = vec![
        failed(0, "no 100% sure"),
        failed(1, "gone"),
        outcome(&chunk.open[2], Status::Succeeded),
    ];
    one.record_outcomes(ChunkResult { outcomes, ..ended(&chunk, Status::Succeeded, nine()) })
        .await
        .expect("recorded");
    let found = async |selection: Selection, before| {
        let found = one.selected(&selection, before, 10).await.expect("lists");
        found.iter().map(|work| work.ordinal).collect::<Vec<_>>()
    };
    assert_eq!(found(failures(), None).await, [1, 0], "the last place first");
    assert_eq!(found(failures(), Some((run.id, 1))).await, [0]);
    let selections = [
        (Selection { error: Some("0% s".into()), ..failures() }, vec![0]),
        (Selection { users: vec![2], ..failures() }, vec![1]),
        (Selection { reason: Some("poison".into()), ..failures() }, vec![]),
        (Selection { since: Some(seconds_past_nine(1)), ..failures() }, vec![]),
        (Selection { until: Some(nine()), ..failures() }, vec![]),
        (Selection { status: Some(StatusName::Succeeded), ..failures() }, vec![2]),
        (Selection { status: None, ..failures() }, vec![2, 1, 0]),
    ];
    for (selection, expected) in selections {
        assert_eq!(found(selection.clone(), None).await, expected, "{selection:?}");
    }

    let requeue = |nonce: &str| Requeue {
        places: vec![(run.id, 0), (run.id, 2)],
        key_nonce: Some(nonce.into()),
        at: seconds_past_nine(20),
    };
    let requeued = tokio::join!(one.requeue(requeue("x")), other.requeue(requeue("x")));
    assert_eq!(
        requeued.0.expect("replies") + requeued.1.expect("replies"),
        1,
        "once, and only who failed"
    );
    let reopened = reread(&*other, &run).await;
    assert_eq!(
        (reopened.state, reopened.counts.failed, reopened.closed_at),
        (RunState::Processing, 1, None)
    );
    let later = crate::Claim { at: seconds_past_nine(20), ..claim("b") };
    let again = claim_ready(&*other, later, 10).await.remove(0);
    assert_eq!((again.open.len(), again.open[0].number, again.open[0].attempts), (1, 1, 1));
    other
        .record_outcomes(ended(&again, Status::Succeeded, seconds_past_nine(21)))
        .await
        .expect("recorded");
    let closed = reread(&*one, &run).await;
    assert_eq!(
        (closed.state, closed.counts.succeeded, closed.counts.failed),
        (RunState::Closed, 2, 1)
    );
    let listed = one
        .outcomes(OutcomeQuery { status: Some(StatusName::Succeeded), ..OutcomeQuery::default() })
        .await
        .expect("lists")
        .0;
    assert_eq!(listed.len(), 2);
    let (attempts, _) = one.attempts(run.id, AttemptQuery::default()).await.expect("lists");
    let of_first: Vec<_> = attempts
        .iter()
        .filter(|attempt| attempt.tenant_id.as_str() == "t1")
        .map(|attempt| attempt.status)
        .collect();
    assert_eq!(of_first, [AttemptStatus::Failed, AttemptStatus::Succeeded]);
}

async fn a_name_that_comes_back_is_somebody_else(Handles { one, .. }: Handles) {
    let name = members([1]).remove(0).1;
    for (time, number) in [("09:00", 1), ("10:00", 2)] {
        let run = open(&*one, new_run(time)).await.expect("opened");
        let read =
            crate::MembersRead { members: vec![(number, name.clone())], ..page(&run, [], 25) };
        one.add_members(vec![read]).await.expect("added").remove(0).expect("chunks");
    }
    let names = one.tenant_names(vec![1, 2]).await.expect("names");
    assert_eq!((names[&1].as_str(), &names[&2]), ("erased:1", &name));
}

async fn who_is_erased_leaves_numbers_only(Handles { one, other }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let chunk = read(&*one, &run, 1..=2, 25).await.remove(0);
    let said = |member| Outcome {
        detail: Some("a\0b".into()),
        result: Some(json!({"of": "x\0"})),
        ..outcome(member, Status::Failed(FailedReason::Rejected))
    };
    let outcomes = chunk.open.iter().map(said).collect();
    one.record_outcomes(ChunkResult { outcomes, ..ended(&chunk, Status::Succeeded, nine()) })
        .await
        .expect("recorded");
    assert_eq!(other.erased_until().await.expect("reads"), None);
    one.erase(vec![1, 77], "place-1".into()).await.expect("erased");
    assert_eq!(other.erased_until().await.expect("reads").as_deref(), Some("place-1"));
    let (outcomes, _) = other.outcomes(OutcomeQuery::default()).await.expect("lists");
    assert_eq!(
        outcomes.iter().map(|outcome| outcome.tenant_id.as_str()).collect::<Vec<_>>(),
        ["erased:1", "t2"]
    );
    assert_eq!((&outcomes[0].detail, &outcomes[0].result), (&None, &None));
    assert!(
        outcomes[1]
            .detail
            .as_ref()
            .is_some_and(|detail| detail.starts_with('a') && detail.ends_with('b'))
    );
    assert_eq!(outcomes[1].result, Some(json!({"of": "x\0"})));
    assert_eq!(other.named_tenants(0, 10).await.expect("lists"), members([2]));
    assert_eq!(other.named_tenants(2, 10).await.expect("lists"), []);
    one.erase(Vec::new(), "place-2".into()).await.expect("noted");
    assert_eq!(other.erased_until().await.expect("reads").as_deref(), Some("place-2"));
}

async fn what_is_no_longer_kept_goes_in_turns(Handles { one, other }: Handles) {
    let old = open(&*one, new_run("09:00")).await.expect("opened");
    for chunk in read(&*one, &old, 1..=30, 10).await {
        one.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await.expect("recorded");
    }
    let open_run = open(&*one, new_run("10:00")).await.expect("opened");
    read(&*one, &open_run, 31..=31, 10).await;
    assert_eq!(one.prune(nine(), 100).await.expect("prunes").rows(), 0);
    assert_eq!(one.kept_since().await.expect("reads"), None);
    let cutoff = seconds_past_nine(1);
    let (mut pruned, mut calls) = (crate::Pruned::default(), 0);
    loop {
        let removed = other.prune(cutoff, 10).await.expect("prunes");
        assert!(removed.rows() <= 10, "{removed:?}");
        pruned += removed;
        calls += 1;
        if removed.rows() < 10 {
            break;
        }
    }
    assert_eq!((pruned.feed_entries, pruned.runs, pruned.chunks, pruned.outcomes), (3, 1, 3, 30));
    assert!(calls > 3);
    assert_eq!(one.run(old.id).await.expect("reads"), None);
    assert_eq!(other.kept_since().await.expect("reads"), Some(nine()), "all that was recorded");
    assert_eq!(reread(&*one, &open_run).await.counts.members, 1);
}
