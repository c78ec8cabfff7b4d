//! Reading the members of runs into chunks, and giving it up (F3, A1).

use super::fixtures::{
    Handles, Promise, ended, group, lane, new_run, nine, numbers, open, page, read, reread,
    seconds_past_nine,
};
use crate::{MembersRead, MissedReason, NewRun, RunState, Status, UnprocessedReason};

pub(super) const ALL: [Promise; 3] = [
    |ledger| Box::pin(a_page_is_taken_once(ledger)),
    |ledger| Box::pin(a_run_is_read_page_by_page_and_ends_with_the_last(ledger)),
    |ledger| Box::pin(a_run_that_is_not_read_closes_with_its_count(ledger)),
];

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
    let beside =
        open(&*one, NewRun { group: group("08:59"), ..new_run("09:00") }).await.expect("opened");
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

async fn a_run_that_is_not_read_closes_with_its_count(Handles { one, .. }: Handles) {
    let unprocessed = Some((UnprocessedReason::JobPaused, None));
    let run = open(&*one, NewRun { unprocessed, ..new_run("09:00") }).await.expect("opened");
    assert_eq!((run.state, run.reason), (RunState::Reading, Some(UnprocessedReason::JobPaused)));
    one.give_up_reading(run.id, UnprocessedReason::JobPaused, Some(3), nine())
        .await
        .expect("counted");
    let paused = reread(&*one, &run).await;
    assert_eq!(
        (paused.state, paused.counts.skipped, paused.counts.unread, paused.closed_at),
        (RunState::Closed, 3, 3, Some(nine()))
    );

    let missed = UnprocessedReason::Missed(MissedReason::MembersUnreadable);
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
