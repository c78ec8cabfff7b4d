//! The outcome feed (F7).

use std::sync::Arc;
use std::time::Duration;

use super::fixtures::{Handles, Promise, ended, new_run, nine, open, read, seconds_past_nine};
use crate::{FeedPage, LedgerError, RecordLedger, Status};

pub(super) const ALL: [Promise; 3] = [
    |ledger| Box::pin(the_feed_shows_each_outcome_once_while_many_record(ledger)),
    |ledger| Box::pin(a_place_behind_what_is_kept_or_of_another_ledger_is_gone(ledger)),
    |ledger| Box::pin(a_cursor_is_of_one_entry_and_not_of_its_number(ledger)),
];

async fn the_feed_shows_each_outcome_once_while_many_record(Handles { one, other }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let mut recorders = Vec::new();
    for (place, chunk) in read(&*one, &run, 1..=200, 1).await.into_iter().enumerate() {
        let ledger = Arc::clone(if place % 2 == 0 { &one } else { &other });
        recorders.push(tokio::spawn(async move {
            let result = ended(&chunk, Status::Succeeded, nine());
            ledger.record_outcomes(result).await.expect("recorded");
        }));
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    while seen.len() < 200 {
        let page = other.outcome_feed(cursor, 7).await.expect("reads");
        seen.extend(page.outcomes.into_iter().map(|outcome| outcome.tenant_id.to_string()));
        cursor = Some(page.next);
        tokio::task::yield_now().await;
    }
    for recorder in recorders {
        recorder.await.expect("no panic");
    }
    assert!(other.outcome_feed(cursor, 7).await.expect("reads").outcomes.is_empty());
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 200, "with no gap, and none twice");
}

/// Records the outcome of the one user of a run.
#[cfg(feature = "postgres")]
pub(crate) async fn record_one(ledger: &dyn crate::Ledger) {
    record(ledger, 1, 0).await;
}

/// Records the outcomes of so many users, one after another, so many seconds past nine.
pub(crate) async fn record(ledger: &dyn crate::Ledger, users: u64, seconds: i64) {
    let run = open(ledger, new_run("09:00")).await.expect("opened");
    for chunk in read(ledger, &run, 1..=users, 1).await {
        let result = ended(&chunk, Status::Succeeded, seconds_past_nine(seconds));
        ledger.record_outcomes(result).await.expect("recorded");
    }
}

/// The page after a cursor, as soon as it has so many outcomes: any transaction that is open on the
/// server holds the feed back.
pub(crate) async fn read_until(
    ledger: &dyn RecordLedger,
    cursor: &str,
    outcomes: usize,
) -> FeedPage {
    let reading = async {
        loop {
            let page = ledger.outcome_feed(Some(cursor.into()), 10).await.expect("reads");
            if page.outcomes.len() >= outcomes {
                return page;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading)
        .await
        .expect("what is committed is shown")
}

async fn a_place_behind_what_is_kept_or_of_another_ledger_is_gone(Handles { one, .. }: Handles) {
    let start = one.outcome_feed(None, 10).await.expect("reads").next;
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    for chunk in read(&*one, &run, 1..=2, 1).await {
        one.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await.expect("recorded");
    }
    let behind = read_until(&*one, &start, 2).await;
    let now = one.outcome_feed(Some("now".into()), 10).await.expect("reads");
    assert_eq!((now.outcomes.len(), &now.next), (0, &behind.next));
    one.prune(seconds_past_nine(1), 1_000).await.expect("pruned");
    assert!(matches!(one.outcome_feed(Some(start), 10).await, Err(LedgerError::CursorGone)));
    assert_eq!(one.outcome_feed(Some(behind.next), 10).await.expect("reads").outcomes.len(), 0);
    assert!(matches!(
        one.outcome_feed(Some("ffffffff-1-1".into()), 10).await,
        Err(LedgerError::CursorGone)
    ));
    assert!(matches!(
        one.outcome_feed(Some("yesterday".into()), 10).await,
        Err(LedgerError::Cursor(_))
    ));
}

async fn a_cursor_is_of_one_entry_and_not_of_its_number(Handles { one, .. }: Handles) {
    let run = open(&*one, new_run("09:00")).await.expect("opened");
    let mut cursors = vec![one.outcome_feed(None, 10).await.expect("reads").next];
    for chunk in read(&*one, &run, 1..=2, 1).await {
        one.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await.expect("recorded");
        let last = cursors.last().expect("there is one");
        let page = read_until(&*one, last, 1).await;
        cursors.push(page.next);
    }
    let newest = one.outcome_feed(Some(cursors[2].clone()), 10).await.expect("reads");
    assert_eq!((newest.outcomes.len(), &newest.next), (0, &cursors[2]));
    let (place, fingerprint) = cursors[1].rsplit_once('-').expect("with a fingerprint");
    let (_, other) = cursors[2].rsplit_once('-').expect("with a fingerprint");
    assert_ne!(fingerprint, other);
    // As a reader has it who saw another first entry, before the ledger was restored.
    let of_another = one.outcome_feed(Some(format!("{place}-{other}")), 10).await;
    assert!(matches!(of_another, Err(LedgerError::CursorGone)), "{of_another:?}");
    let older = one.outcome_feed(Some(place.into()), 10).await.expect("without a fingerprint");
    assert_eq!(older.outcomes.len(), 1);
}
