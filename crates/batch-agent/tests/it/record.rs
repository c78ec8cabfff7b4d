//! The outcome feed (F7), and what leaves the ledger when it is no longer kept (W8).

use cohort_batch_agent::{
    AttemptQuery, Choice, FeedPage, JobRegistry, Ledger, LedgerError, LedgerRetention, Pruned,
    Retry, RunId, StatusName,
};
use jiff::SignedDuration;
use serde_json::json;

use crate::handler::Script;
use crate::stage::{Stage, instant};

async fn page(ledger: &dyn Ledger, cursor: Option<&str>, limit: usize) -> FeedPage {
    ledger.outcome_feed(cursor.map(Into::into), limit).await.expect("a page")
}

fn told(page: &FeedPage) -> Vec<String> {
    page.outcomes
        .iter()
        .map(|outcome| format!("{} {}", outcome.tenant_id, outcome.status))
        .collect()
}

async fn requeue(stage: &Stage, agent: &crate::stage::Agent) {
    let retry = Retry { choice: Choice::of_run(RunId(1)), new_key: false };
    JobRegistry::of_agent(&agent.processor).retry(&retry).await.expect("requeued");
    stage.handler.forget_scripts();
}

#[tokio::test]
async fn every_outcome_is_in_the_feed_once_in_the_order_of_recording_whatever_the_pages() {
    let stage = Stage::with_daily_users(60, &json!({}));
    stage.handler.script("u30", Script::Retry { times: 2, after_s: None });
    let agent = stage.agent().await;
    agent.until("2026-12-01T12:00:00Z").await;
    let ledger = stage.ledger();
    let start = page(&*ledger, Some("now"), 10).await;
    assert!(start.outcomes.is_empty());
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = page(&*ledger, cursor.as_deref(), 10).await;
        cursor = Some(page.next.clone());
        if page.outcomes.is_empty() {
            break;
        }
        seen.extend(told(&page));
    }
    assert_eq!((seen.len(), seen.last().map(String::as_str)), (60, Some("u30 succeeded")));
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 60);
    assert_eq!(cursor.as_ref(), Some(&start.next), "both stand at the end");
    agent.until("2026-12-02T12:00:00Z").await;
    assert_eq!(page(&*ledger, cursor.as_deref(), 100).await.outcomes.len(), 60);
}

#[tokio::test]
async fn a_requeued_user_appears_again_and_the_failure_is_still_seen_by_who_reads_late() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Fail);
    let agent = stage.agent().await;
    agent.until("2026-12-01T10:00:00Z").await;
    let ledger = stage.ledger();
    let behind_failure = page(&*ledger, None, 10).await.next;
    requeue(&stage, &agent).await;
    let while_open = page(&*ledger, None, 10).await;
    assert_eq!(
        (told(&while_open), &while_open.next),
        (vec!["u0 failed".to_owned()], &behind_failure)
    );
    agent.until("2026-12-01T11:00:00Z").await;
    assert_eq!(told(&page(&*ledger, Some(&behind_failure), 10).await), ["u0 succeeded"]);
    let late = page(&*ledger, None, 10).await;
    assert_eq!(told(&late), ["u0 failed", "u0 succeeded"]);
    assert_eq!(late.outcomes[0].detail.as_deref(), Some("no such account"));
}

#[tokio::test]
async fn a_cursor_of_another_ledger_or_of_the_future_is_gone() {
    let (ours, other) =
        (Stage::with_daily_users(1, &json!({})), Stage::with_daily_users(1, &json!({})));
    ours.run_until("2026-12-01T10:00:00Z").await;
    other.run_until("2026-12-03T10:00:00Z").await;
    let foreign = page(&*other.ledger(), None, 10).await.next;
    let gone = ours.ledger().outcome_feed(Some(foreign), 10).await;
    assert!(matches!(gone, Err(LedgerError::CursorGone)), "{gone:?}");
    let future = page(&*ours.ledger(), None, 10).await.next.replace("-0-1", "-0-2");
    let gone = ours.ledger().outcome_feed(Some(future), 10).await;
    assert!(matches!(gone, Err(LedgerError::CursorGone)), "{gone:?}");
    let malformed = ours.ledger().outcome_feed(Some("yesterday".into()), 10).await;
    assert!(matches!(malformed, Err(LedgerError::Cursor(_))), "{malformed:?}");
}

#[tokio::test]
async fn erasure_takes_the_texts_of_attempts_and_of_failures_that_were_requeued() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Retry { times: 4, after_s: None });
    let agent = stage.agent().await;
    agent.until("2026-12-01T10:00:00Z").await;
    requeue(&stage, &agent).await;
    agent.until("2026-12-01T11:00:00Z").await;
    let (before, _) =
        stage.ledger().attempts(RunId(1), AttemptQuery::default()).await.expect("attempts");
    assert_eq!(before.iter().filter(|attempt| attempt.error.as_deref() == Some("busy")).count(), 4);
    stage.source.erase("u0");
    agent.until("2026-12-01T12:00:00Z").await;
    let (after, _) =
        stage.ledger().attempts(RunId(1), AttemptQuery::default()).await.expect("attempts");
    assert_eq!(
        (after.len(), after.iter().filter_map(|attempt| attempt.error.as_ref()).count()),
        (5, 0)
    );
    assert!(after.iter().all(|attempt| attempt.tenant_id.as_str() == "erased:1"));
}

#[tokio::test]
async fn what_was_closed_longer_ago_than_the_retention_goes_in_small_steps_and_the_rest_stays() {
    let stage = Stage::with_daily_users(30, &json!({}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: None });
    let agent = stage.agent().await;
    agent.until("2026-12-01T10:00:00Z").await;
    let ledger = stage.ledger();
    let at_start = page(&*ledger, None, 1).await.next;
    for user in 10..30 {
        stage.source.erase(&format!("u{user}"));
    }
    stage.clock.advance_to(instant("2027-03-01T03:00:00Z"));
    agent.until("2027-03-01T10:00:00Z").await;
    let runs = stage.runs().await.len();

    let cutoff = "40d".parse::<LedgerRetention>().expect("days").cutoff(stage.now());
    let mut all = Pruned::default();
    loop {
        let pruned = ledger.prune(cutoff, 7).await.expect("pruned");
        assert!(pruned.rows() <= 7, "{pruned:?}");
        all += pruned;
        if pruned.rows() < 7 {
            break;
        }
    }
    assert_eq!((all.outcomes, all.chunks, all.attempts), (30, 2, 1));
    assert_eq!(all.runs, 1, "missed occurrences are as young as their discovery");
    assert_eq!(all.names, 20, "who is a member still keeps the name");
    assert_eq!(stage.runs().await.len(), runs - 1);
    assert_eq!(stage.outcomes().await.len(), 10);
    assert!(stage.outcomes().await.iter().all(|outcome| outcome.status == StatusName::Succeeded));
    let gone = ledger.outcome_feed(Some(at_start), 10).await;
    assert!(matches!(gone, Err(LedgerError::CursorGone)), "{gone:?}");
    assert_eq!(page(&*ledger, None, 100).await.outcomes.len(), 10);
    assert_eq!(ledger.prune(cutoff, 7).await.expect("pruned").rows(), 0);
    agent.until("2027-03-02T10:00:00Z").await;
    assert_eq!(stage.outcomes().await.len(), 20);
}

#[tokio::test]
async fn an_open_run_is_kept_and_a_reopened_one_begins_anew() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Fail);
    let agent = stage.agent().await;
    agent.until("2026-12-01T10:00:00Z").await;
    requeue(&stage, &agent).await;
    let later = stage.now() + SignedDuration::from_hours(24 * 500);
    let pruned = stage.ledger().prune(later, 1_000).await.expect("pruned");
    assert_eq!((pruned.runs, pruned.outcomes, pruned.names), (0, 0, 0), "{pruned:?}");
    agent.until("2026-12-01T11:00:00Z").await;
    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 succeeded"]);
}
