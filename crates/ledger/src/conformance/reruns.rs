//! Selections, stops and reruns (D13, D14).

use uuid::Uuid;

use super::fixtures::{
    Handles, Promise, claim, claim_ready, ended, job, members, new_run, nine, open, page, plan,
    read, reread, seconds_past_nine,
};
use crate::{
    Claim, Firing, FiringName, Ledger, NewRerun, NewRun, OpenRuns, OutcomeQuery, RepeatedWork, Run,
    RunQuery, RunState, SelectedCount, Selection, SkippedReason, Status, StatusName, TzdbRelease,
    UnprocessedReason, work_key,
};

pub(super) const ALL: [Promise; 5] = [
    |ledger| Box::pin(a_rerun_does_the_newest_work_of_each_selected_user_again(ledger)),
    |ledger| Box::pin(a_page_of_a_rerun_is_read_by_one_of_two(ledger)),
    |ledger| Box::pin(who_a_canceled_rerun_has_not_come_to_is_counted(ledger)),
    |ledger| Box::pin(a_stop_ends_all_that_is_open_and_what_a_late_plan_opens(ledger)),
    |ledger| Box::pin(a_name_cancels_the_runs_of_one_trigger(ledger)),
];

fn later(seconds: i64) -> Claim {
    let at = seconds_past_nine(seconds);
    Claim { at, lease_until: seconds_past_nine(seconds + 60), ..claim("b") }
}

/// A run of these users that has ended.
async fn done(ledger: &dyn Ledger, time: &str, users: std::ops::RangeInclusive<u64>) -> Run {
    let run = open(ledger, new_run(time)).await.expect("opened");
    for chunk in read(ledger, &run, users, 25).await {
        ledger.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await.expect("recorded");
    }
    reread(ledger, &run).await
}

fn rerun(id: u128, selection: Selection) -> NewRerun {
    let run = NewRun {
        occurrence: Firing::rerun(seconds_past_nine(60), Some(Uuid::from_u128(id))),
        stated: Vec::new(),
        ..new_run("09:00")
    };
    NewRerun { job: job(), run, selection }
}

fn succeeded() -> Selection {
    Selection {
        jobs: vec![job()],
        status: Some(StatusName::Succeeded),
        without_reruns: true,
        ..Selection::default()
    }
}

async fn opened(ledger: &dyn Ledger, rerun: NewRerun) -> Run {
    let runs = ledger.open_reruns(vec![rerun], seconds_past_nine(60)).await.expect("opens");
    ledger.run(runs[0]).await.expect("reads").expect("it is there")
}

/// Queues pages of so many places until none is left; returns how many users are in it.
async fn queue_all(ledger: &dyn Ledger, rerun: &Run, limit: usize) -> u64 {
    let mut queued = 0;
    loop {
        let run = reread(ledger, rerun).await;
        if run.state != RunState::Reading {
            return queued;
        }
        let page = ledger.repeated_page(&run, limit).await.expect("reads");
        let at = seconds_past_nine(60);
        queued += ledger.queue_repeated(&run, page, 2, at).await.expect("queues").expect("ours");
    }
}

async fn a_rerun_does_the_newest_work_of_each_selected_user_again(Handles { one, other }: Handles) {
    done(&*one, "08:00", 1..=3).await;
    done(&*one, "08:30", 2..=4).await;
    let count = other.count_selected(&succeeded()).await.expect("counts");
    assert_eq!(count, SelectedCount { users: 4, outcomes: 6 });
    let named = other.selected_users(&succeeded(), 3).await.expect("lists");
    assert_eq!(named, members(1..=3).into_iter().map(|(_, name)| name).collect::<Vec<_>>());

    let run = opened(&*one, rerun(1, succeeded())).await;
    assert_eq!(run.state, RunState::Reading);
    assert_eq!(opened(&*other, rerun(1, Selection::default())).await.id, run.id, "once by name");
    assert_eq!(queue_all(&*other, &run, 2).await, 4);
    for chunk in claim_ready(&*one, later(61), 10).await {
        assert!(chunk.open.len() <= 2);
        let result = ended(&chunk, Status::Succeeded, seconds_past_nine(62));
        one.record_outcomes(result).await.expect("recorded");
    }
    let closed = reread(&*other, &run).await;
    assert_eq!((closed.state, closed.counts.succeeded), (RunState::Closed, 4));
    let of_run = OutcomeQuery { run: Some(run.id), ..OutcomeQuery::default() };
    let (outcomes, _) = other.outcomes(of_run).await.expect("lists");
    let repeated = |tenant: &str| {
        let outcome = outcomes.iter().find(|outcome| outcome.tenant_id.as_str() == tenant);
        let outcome = outcome.expect("one of the four");
        assert_eq!(outcome.purpose_version, Some(3));
        outcome.repeats.clone().expect("a rerun")
    };
    let work = |tenant: &str, time: &str| RepeatedWork {
        nominal: format!("2026-12-01T{time}").parse().expect("a name"),
        timezone: "UTC".into(),
        key: work_key(
            &job(),
            &tenant.parse().expect("a tenant"),
            format!("2026-12-01T{time}"),
            "UTC",
            None,
        ),
    };
    assert_eq!(repeated("t1"), work("t1", "08:00"));
    assert_eq!(repeated("t2"), work("t2", "08:30"), "the newer of two");
    let again = other.count_selected(&succeeded()).await.expect("counts");
    assert_eq!(again, count, "a rerun stands for work that is selected itself");
    let of_rerun = Selection { run: Some(run.id), ..Selection::default() };
    assert_eq!(other.count_selected(&of_rerun).await.expect("counts").outcomes, 4);
}

async fn a_page_of_a_rerun_is_read_by_one_of_two(Handles { one, other }: Handles) {
    done(&*one, "08:00", 1..=3).await;
    let run = opened(&*one, rerun(2, succeeded())).await;
    let page = one.repeated_page(&run, 10).await.expect("reads");
    let at = seconds_past_nine(60);
    let queued = tokio::join!(
        one.queue_repeated(&run, page.clone(), 25, at),
        other.queue_repeated(&run, page.clone(), 25, at)
    );
    let mut queued = [queued.0.expect("replies"), queued.1.expect("replies")];
    queued.sort_unstable();
    assert_eq!(queued, [None, Some(3)]);
    assert_eq!(reread(&*one, &run).await.counts.members, 3);
    let nobody = Selection { users: vec![77], ..succeeded() };
    let empty = opened(&*one, rerun(3, nobody)).await;
    assert_eq!(queue_all(&*one, &empty, 10).await, 0);
    assert_eq!(reread(&*one, &empty).await.state, RunState::Closed);
}

async fn who_a_canceled_rerun_has_not_come_to_is_counted(Handles { one, other }: Handles) {
    done(&*one, "08:00", 1..=3).await;
    done(&*one, "08:30", 3..=5).await;
    let run = opened(&*one, rerun(4, succeeded())).await;
    let page = one.repeated_page(&run, 2).await.expect("reads");
    let at = seconds_past_nine(60);
    assert_eq!(one.queue_repeated(&run, page, 25, at).await.expect("queues"), Some(2));
    let begun = reread(&*one, &run).await;
    assert_eq!(other.unread_of_rerun(&begun).await.expect("counts"), 3);
    other.cancel_run(run.id, at).await.expect("canceled");
    let page = one.repeated_page(&begun, 2).await.expect("reads");
    assert_eq!(one.queue_repeated(&begun, page, 25, at).await.expect("replies"), None);
    one.give_up_reading(run.id, UnprocessedReason::Canceled, Some(3), at).await.expect("counted");
    for chunk in claim_ready(&*one, later(61), 10).await {
        let skipped = Status::Skipped(SkippedReason::Canceled);
        one.record_outcomes(ended(&chunk, skipped, seconds_past_nine(62))).await.expect("recorded");
    }
    let closed = reread(&*one, &run).await;
    let counts = (closed.counts.skipped, closed.counts.unread);
    assert_eq!((closed.state, counts), (RunState::Closed, (5, 3)));
    let mut pruned = crate::Pruned::default();
    while {
        let removed = one.prune(seconds_past_nine(100), 100).await.expect("prunes");
        pruned += removed;
        removed.rows() == 100
    } {}
    assert_eq!((pruned.runs, pruned.rerun_members), (3, 2));
}

async fn a_stop_ends_all_that_is_open_and_what_a_late_plan_opens(Handles { one, other }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    read(&*one, &run, 1..=3, 2).await;
    let of_job = Selection { jobs: vec![job()], ..Selection::default() };
    let open_runs = OpenRuns { runs: 1, users: 3 };
    assert_eq!(other.count_open_runs(&of_job).await.expect("counts"), open_runs);
    let elsewhere = Selection { jobs: vec!["other".parse().expect("a job")], ..of_job.clone() };
    let at = seconds_past_nine(1);
    assert_eq!(other.cancel_runs(&elsewhere, at).await.expect("none"), OpenRuns::default());
    assert_eq!(other.stop(&[job()], &of_job, at).await.expect("stops"), open_runs);
    assert_eq!(other.stop(&[job()], &of_job, at).await.expect("again"), OpenRuns::default());
    assert_eq!(one.canceled_runs().await.expect("lists"), [run.id].into());
    assert!(one.definitions().await.expect("reads").pauses[&job()].lasts());

    // A planner that has not heard of it yet.
    let release = TzdbRelease::from("2026a");
    let planned = async |time: &str| {
        let plan = crate::Plan { tzdb: Some(release.clone()), ..plan(vec![new_run(time)]) };
        let opened = one.open_runs(&job(), plan, at).await.expect("opens");
        one.run(opened[0]).await.expect("reads").expect("it is there").reason
    };
    assert_eq!(planned("08:59").await, Some(UnprocessedReason::Canceled));
    assert_eq!(planned("09:01").await, Some(UnprocessedReason::JobPaused));
    assert!(one.resume_job(&job(), seconds_past_nine(120)).await.expect("resumes"));
    assert_eq!(planned("09:03").await, None);
    assert!(one.pause_job(&job(), seconds_past_nine(240)).await.expect("pauses"));
    assert_eq!(planned("09:02").await, None, "a pause lets what was due before go on");
}

async fn a_name_cancels_the_runs_of_one_trigger(Handles { one, other }: Handles) {
    let firing = Firing::triggered(nine());
    let triggered = |time| NewRun { occurrence: firing, ..new_run(time) };
    for time in ["09:00", "10:00"] {
        let run = open(&*one, triggered(time)).await.expect("opened");
        one.add_members(vec![page(&run, 1..=1, 25)]).await.expect("added");
    }
    let kept = open(&*one, new_run("09:00")).await.expect("opened");
    let named = RunQuery { nominal: Some(firing.nominal), ..RunQuery::default() };
    assert_eq!(other.runs(named).await.expect("lists").len(), 2);
    let of_trigger = Selection { nominal: Some(firing.nominal), ..Selection::default() };
    let canceled = other.cancel_runs(&of_trigger, nine()).await.expect("cancels");
    assert_eq!(canceled, OpenRuns { runs: 2, users: 2 });
    assert_eq!(reread(&*one, &kept).await.canceled_at, None);
    assert!(matches!(firing.nominal, FiringName::Trigger(_)));
}
