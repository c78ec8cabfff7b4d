//! Lists, their cursors, and who has run in another run (M6, F10).

use std::collections::{BTreeSet, HashMap};

use super::fixtures::{
    Handles, Promise, ended, group, job, new_run, nine, open, outcome, page, read,
};
use crate::{
    AttemptQuery, ChunkResult, ChunkState, FailedReason, LedgerError, OutcomeQuery, Run, RunQuery,
    RunState, SkippedReason, Status, StatusName, WorkStanding,
};

pub(super) const ALL: [Promise; 4] = [
    |ledger| Box::pin(pages_of_outcomes_are_chosen_and_neither_repeat_nor_lose(ledger)),
    |ledger| Box::pin(runs_are_listed_newest_first(ledger)),
    |ledger| Box::pin(who_has_run_is_found_at_the_edges_of_chunks_and_in_open_work(ledger)),
    |ledger| Box::pin(a_users_place_is_found_while_it_is_open_and_after(ledger)),
];

async fn pages_of_outcomes_are_chosen_and_neither_repeat_nor_lose(Handles { one, .. }: Handles) {
    for time in ["08:00", "09:00"] {
        let run = open(&*one, new_run(time)).await.expect("opened");
        let chunk = read(&*one, &run, 1..=5, 25).await.remove(0);
        let outcomes = vec![
            outcome(&chunk.open[0], Status::Succeeded),
            outcome(&chunk.open[1], Status::Failed(FailedReason::Rejected)),
            outcome(&chunk.open[2], Status::Skipped(SkippedReason::Disabled)),
            outcome(&chunk.open[3], Status::Skipped(SkippedReason::Snoozed)),
            outcome(&chunk.open[4], Status::Succeeded),
        ];
        one.record_outcomes(ChunkResult { outcomes, ..ended(&chunk, Status::Succeeded, nine()) })
            .await
            .expect("recorded");
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let (page, next) = one
            .outcomes(OutcomeQuery { limit: Some(3), cursor, ..OutcomeQuery::default() })
            .await
            .expect("lists");
        seen.extend(page.iter().map(|outcome| (outcome.run_id, outcome.tenant_id.to_string())));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 10);
    assert!(seen.is_sorted());
    let second = seen[9].0;
    let count = async |query| one.outcomes(query).await.expect("lists").0.len();
    assert_eq!(count(OutcomeQuery { run: Some(second), ..OutcomeQuery::default() }).await, 5);
    assert_eq!(
        count(OutcomeQuery { status: Some(StatusName::Skipped), ..OutcomeQuery::default() }).await,
        4
    );
    assert_eq!(
        count(OutcomeQuery { reason: Some("snoozed".into()), ..OutcomeQuery::default() }).await,
        2
    );
    let tenant = Some("t1".parse().expect("a tenant"));
    assert_eq!(
        count(OutcomeQuery {
            tenant,
            job: Some(job()),
            run: Some(second),
            ..OutcomeQuery::default()
        })
        .await,
        1
    );
    assert_eq!(
        count(OutcomeQuery {
            job: Some("other".parse().expect("a job")),
            ..OutcomeQuery::default()
        })
        .await,
        0
    );
    let wrong = OutcomeQuery { cursor: Some("yesterday".into()), ..OutcomeQuery::default() };
    assert!(matches!(one.outcomes(wrong).await, Err(LedgerError::Cursor(_))));
    let wrong = AttemptQuery { cursor: Some("yesterday".into()), ..AttemptQuery::default() };
    assert!(matches!(one.attempts(second, wrong).await, Err(LedgerError::Cursor(_))));
    let (first, next) = one
        .attempts(second, AttemptQuery { limit: Some(2), ..AttemptQuery::default() })
        .await
        .expect("lists");
    let (rest, _) = one
        .attempts(second, AttemptQuery { cursor: next, ..AttemptQuery::default() })
        .await
        .expect("lists");
    assert_eq!((first.len(), rest.len()), (2, 1), "who was skipped was not called");
}

async fn runs_are_listed_newest_first(Handles { one, .. }: Handles) {
    let mut opened = Vec::new();
    for time in ["08:00", "09:00", "10:00"] {
        opened.push(open(&*one, new_run(time)).await.expect("opened"));
    }
    read(&*one, &opened[1], [], 25).await;
    let ids = async |query| {
        one.runs(query).await.expect("lists").iter().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(RunQuery::default()).await, [opened[2].id, opened[1].id, opened[0].id]);
    assert_eq!(
        ids(RunQuery { before: Some(opened[2].id), limit: Some(1), ..RunQuery::default() }).await,
        [opened[1].id]
    );
    assert_eq!(
        ids(RunQuery { state: Some(RunState::Closed), job: Some(job()), ..RunQuery::default() })
            .await,
        [opened[1].id]
    );
    assert!(
        ids(RunQuery { job: Some("other".parse().expect("a job")), ..RunQuery::default() })
            .await
            .is_empty()
    );
    let named = one
        .run_named(&job(), &group("08:00"), new_run("08:00").occurrence.nominal)
        .await
        .expect("reads");
    assert_eq!(named.map(|run| run.id), Some(opened[0].id));
}

async fn who_has_run_is_found_at_the_edges_of_chunks_and_in_open_work(
    Handles { one, .. }: Handles,
) {
    let first = open(&*one, new_run("09:00")).await.expect("opened");
    let chunks = read(&*one, &first, [10, 20, 30, 40, 50], 2).await;
    one.record_outcomes(ended(&chunks[0], Status::Succeeded, nine())).await.expect("recorded");
    let rejected = outcome(&chunks[1].open[0], Status::Failed(FailedReason::Rejected));
    let skipped = outcome(&chunks[1].open[1], Status::Skipped(SkippedReason::Disabled));
    let outcomes = vec![rejected, skipped];
    one.record_outcomes(ChunkResult { outcomes, ..ended(&chunks[1], Status::Succeeded, nine()) })
        .await
        .expect("recorded");

    let second = open(&*one, new_run("10:00")).await.expect("opened");
    let own = read(&*one, &second, [50], 2).await.remove(0);
    let day = || "2026-12-01".parse().expect("a date");
    let others = one.other_runs(&second, Some(day()..=day())).await.expect("looked up");
    assert_eq!((others.is_earlier_open, others.is_in_period), (true, true));
    let others = one.other_runs(&first, None).await.expect("looked up");
    assert_eq!((others.is_earlier_open, others.is_in_period), (false, false));
    let asked = vec![9, 10, 15, 20, 25, 30, 35, 40, 45, 50, 51];
    let ran = async |run: &Run, dates: [&str; 2], chunk: &crate::Chunk| {
        let [from, to] = dates.map(|date| date.parse().expect("a date"));
        one.already_ran(run, from..=to, chunk, asked.clone())
            .await
            .expect("looked up")
            .into_iter()
            .collect::<BTreeSet<_>>()
    };
    let day = ["2026-12-01"; 2];
    assert_eq!(ran(&second, day, &own).await, BTreeSet::from([10, 20, 30, 50]));
    assert_eq!(
        ran(&second, ["2026-11-30", "2026-12-06"], &own).await,
        BTreeSet::from([10, 20, 30, 50])
    );
    assert_eq!(ran(&second, ["2026-12-02"; 2], &own).await, BTreeSet::new());
    assert_eq!(
        ran(&first, day, &chunks[2]).await,
        BTreeSet::new(),
        "neither its own run counts, nor work that was opened after it"
    );
    assert_eq!(
        one.open_earlier(&second, vec![40, 50, 60]).await.expect("looked up"),
        HashMap::from([(50, 1)])
    );
    assert!(one.open_earlier(&first, vec![50]).await.expect("looked up").is_empty());
    one.record_outcomes(ended(&own, Status::Succeeded, nine())).await.expect("recorded");
    assert_eq!(ran(&first, day, &chunks[2]).await, BTreeSet::from([50]));
}

async fn a_users_place_is_found_while_it_is_open_and_after(Handles { one, .. }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let chunk = one
        .add_members(vec![page(&run, [3, 5, 9], 2)])
        .await
        .expect("adds")
        .remove(0)
        .expect("taken")
        .remove(0);
    let found = async |number| one.member_standings(&job(), number, nine()).await.expect("found");
    let while_open = found(5).await.remove(0);
    assert_eq!(while_open.chunk.state, ChunkState::Claimed);
    assert!(matches!(while_open.work, WorkStanding::Open(member) if member.ordinal == 1));
    assert_eq!(while_open.chunk.lease.map(|(holder, _)| holder).as_deref(), Some("a"));
    assert!(found(4).await.is_empty());
    one.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await.expect("recorded");
    let afterwards = found(5).await.remove(0);
    assert_eq!(afterwards.chunk.state, ChunkState::Done);
    assert!(matches!(afterwards.work,
            WorkStanding::Final(outcome) if outcome.tenant_id.as_str() == "t5"));
    assert!(
        one.member_standings(&job(), 5, new_run("10:00").occurrence.at)
            .await
            .expect("looks")
            .is_empty()
    );
}
