//! Opening runs, and up to when a job is planned (F1, F3).

use std::sync::Arc;

use super::fixtures::{Handles, Promise, group, job, new_run, nine, open, plan, seconds_past_nine};
use crate::{Plan, RunQuery, Watermark};

pub(super) const ALL: [Promise; 2] = [
    |ledger| Box::pin(opening_a_run_is_an_election(ledger)),
    |ledger| Box::pin(the_mark_never_goes_back(ledger)),
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
    assert_eq!((opened, one.runs(RunQuery::default()).await.expect("lists").len()), (2, 2));
}

async fn the_mark_never_goes_back(Handles { one, .. }: Handles) {
    let first = one.ensure_job(&job(), nine()).await.expect("a job");
    assert_eq!(
        (first.planned_until, first.known_until, first.replan_from),
        (nine(), nine(), None),
        "a new job has nothing to catch up on"
    );
    let watermark =
        |until| Watermark { planned_until: until, known_until: until, replan_from: None };
    for until in [seconds_past_nine(60), seconds_past_nine(30)] {
        let plan = Plan { watermark: watermark(until), runs: Vec::new(), tzdb: None };
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
        [(group("09:00"), new_run("09:00").occurrence.nominal)].into()
    );
    assert_eq!(named("2026-12-02").await, [].into());
}
