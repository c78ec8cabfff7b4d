//! What completeness checks read (A1).

use super::fixtures::{
    Handles, Promise, ended, group, job, new_run, nine, open, read, seconds_past_nine,
};
use crate::{OpenWork, Requeue, RunState, Status};

pub(super) const ALL: [Promise; 2] = [
    |ledger| Box::pin(runs_are_on_record_between_two_instants(ledger)),
    |ledger| Box::pin(open_work_is_counted_by_its_state(ledger)),
];

async fn runs_are_on_record_between_two_instants(Handles { one, other }: Handles) {
    let runs = [
        open(&*one, new_run("08:00")).await.expect("opened"),
        open(&*one, new_run("09:00")).await.expect("opened"),
    ];
    let failed = Status::Failed(crate::FailedReason::Rejected);
    for (run, status) in runs.iter().zip([Status::Succeeded, failed]) {
        let chunk = read(&*one, run, 1..=3, 25).await.remove(0);
        one.record_outcomes(ended(&chunk, status, nine())).await.expect("recorded");
    }
    let (eight, places) = (runs[0].occurrence.at, vec![(runs[1].id, 0)]);
    let requeue = Requeue { places, key_nonce: None, at: seconds_past_nine(1) };
    one.requeue(requeue).await.expect("requeued");
    let mut found = other.runs_between(&job(), eight, nine()).await.expect("reads");
    found.sort_by_key(|run| run.id);
    assert_eq!(
        found
            .iter()
            .map(|run| (run.id, run.state, run.on_record, run.is_requeued))
            .collect::<Vec<_>>(),
        [(runs[0].id, RunState::Closed, 3, false), (runs[1].id, RunState::Processing, 2, true)]
    );
    assert_eq!(
        (&found[0].group, found[0].nominal),
        (&group("08:00"), new_run("08:00").occurrence.nominal)
    );
    let of_nine = other.runs_between(&job(), nine(), nine()).await.expect("reads");
    assert_eq!(of_nine.iter().map(|run| run.id).collect::<Vec<_>>(), [runs[1].id]);
}

async fn open_work_is_counted_by_its_state(Handles { one, other }: Handles) {
    assert_eq!(other.open_work(nine()).await.expect("counts"), OpenWork::default());
    let run = open(&*one, new_run("08:00")).await.expect("opened");
    open(&*one, new_run("09:00")).await.expect("opened");
    let chunks = read(&*one, &run, 1..=3, 1).await;
    one.record_outcomes(ended(&chunks[0], Status::Succeeded, nine())).await.expect("recorded");
    let claimed = OpenWork {
        runs_reading: 1,
        runs_processing: 1,
        chunks_ready: 0,
        chunks_claimed: 2,
        oldest_ready_at: None,
    };
    assert_eq!(other.open_work(nine()).await.expect("counts"), claimed);
    one.release_chunks("a", nine()).await.expect("released");
    let ready =
        OpenWork { chunks_ready: 2, chunks_claimed: 0, oldest_ready_at: Some(nine()), ..claimed };
    assert_eq!(other.open_work(nine()).await.expect("counts"), ready);
}
