//! How the ledger stands (A4, F12).

use jiff::SignedDuration;

use super::fixtures::{
    Handles, Promise, ended, group, job, new_run, nine, open, page, read, seconds_past_nine,
};
use crate::{JobWork, ReadingGroup, Requeue, Status};

pub(super) const ALL: [Promise; 3] = [
    |ledger| Box::pin(the_ledger_proves_again_and_again_that_it_can_be_written(ledger)),
    |ledger| Box::pin(work_is_told_by_job_with_what_is_open_and_what_went_wrong(ledger)),
    |ledger| Box::pin(users_who_were_requeued_wait_since_then_and_not_since_they_were_due(ledger)),
];

async fn the_ledger_proves_again_and_again_that_it_can_be_written(Handles { one, other }: Handles) {
    for _ in 0..2 {
        one.prove_writable(nine()).await.expect("written");
        other.prove_writable(nine()).await.expect("written");
    }
}

async fn work_is_told_by_job_with_what_is_open_and_what_went_wrong(
    Handles { one, other }: Handles,
) {
    let yesterday = nine() - SignedDuration::from_hours(24);
    assert!(other.job_work(yesterday, yesterday).await.expect("reads").is_empty());
    let run = open(&*one, new_run("08:00")).await.expect("opened");
    let chunks = read(&*one, &run, 1..=4, 2).await;
    let failed = Status::Failed(crate::FailedReason::Rejected);
    one.record_outcomes(ended(&chunks[0], failed, nine())).await.expect("recorded");
    let next = open(&*one, new_run("09:00")).await.expect("opened");
    let mut first_page = page(&next, 5..=7, 25);
    first_page.next_cursor = Some("more".into());
    one.add_members(vec![first_page]).await.expect("adds");

    let told = other.job_work(nine(), yesterday).await.expect("reads");
    let work = JobWork {
        runs_open: 2,
        due_since: Some(run.occurrence.at),
        users_open: 5,
        reading: vec![ReadingGroup { group: group("09:00"), read: 3 }],
        ended: 2,
        failed: 2,
        missed: 0,
    };
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [(job(), work)]);
    let later = seconds_past_nine(1);
    let told = other.job_work(later, later).await.expect("reads");
    assert_eq!((told[&job()].ended, told[&job()].failed), (0, 0));
}

async fn users_who_were_requeued_wait_since_then_and_not_since_they_were_due(
    Handles { one, other }: Handles,
) {
    let run = open(&*one, new_run("08:00")).await.expect("opened");
    let chunk = read(&*one, &run, 1..=2, 25).await.remove(0);
    let failed = Status::Failed(crate::FailedReason::Rejected);
    one.record_outcomes(ended(&chunk, failed, nine())).await.expect("recorded");
    let later = seconds_past_nine(90);
    let requeue = Requeue { places: vec![(run.id, 0)], key_nonce: None, at: later };
    one.requeue(requeue).await.expect("requeued");
    let told = other.job_work(nine(), nine()).await.expect("reads");
    assert_eq!((told[&job()].due_since, told[&job()].users_open), (Some(later), 1));
}
