//! The feed over REST.

use std::time::Duration;

use cohort_preferences::ChangePage;
use jiff::Timestamp;
use serde_json::json;

use crate::Fixture;

async fn page(fixture: &Fixture, query: &str) -> ChangePage {
    let answer = fixture.get(&format!("/preferences/changes{query}")).await;
    serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text))
}

#[tokio::test]
async fn a_change_says_who_left_and_joined_what() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({"frequency": "daily", "preferred_time": "09:00"})).await;
    fixture.set("ann", &json!({"frequency": "weekly", "preferred_day": "monday"})).await;
    fixture
        .set(
            "ann",
            &json!({"frequency": "weekly", "preferred_day": "monday",
            "template_overrides": {"tone": "dry"}}),
        )
        .await;
    let feed = fixture.feed().await;
    let group = |frequency: &str, time_key: &str| {
        let timezone = "-";
        json!({"frequency": frequency, "time_key": time_key, "timezone": timezone})
    };
    assert_eq!((&feed[0]["left"], &feed[0]["joined"]), (&json!(null), &group("daily", "09:00")));
    assert_eq!(
        (&feed[1]["left"], &feed[1]["joined"]),
        (&group("daily", "09:00"), &group("weekly", "monday:-"))
    );
    assert_eq!(
        (&feed[2]["left"], &feed[2]["joined"]),
        (&json!(null), &json!(null)),
        "the group stayed"
    );
    assert_eq!((&feed[2]["version"], &feed[2]["kind"]), (&json!(3), &json!("set")));
}

#[tokio::test]
async fn a_reader_follows_by_the_cursor_of_each_page() {
    let fixture = Fixture::new().await;
    let start = page(&fixture, "?since_id=now").await;
    assert!(start.changes.is_empty());
    for tenant in ["ann", "bob", "eve"] {
        fixture.set(tenant, &json!({})).await;
    }
    let first = page(&fixture, &format!("?since_id={}&limit=2", start.next)).await;
    assert_eq!(first.changes.len(), 2);
    assert!(first.complete_until < first.changes[1].at, "the page was cut");
    let second = page(&fixture, &format!("?since_id={}&limit=2", first.next)).await;
    assert_eq!(second.changes.len(), 1);
    assert!(second.complete_until >= second.changes[0].at);
    let third = page(&fixture, &format!("?since_id={}", second.next)).await;
    assert_eq!((third.changes.len(), &third.next), (0, &second.next));
    assert_eq!(page(&fixture, "").await.changes.len(), 3, "without a cursor from the oldest");
    assert_eq!(page(&fixture, "?since_id=now").await.next, third.next);
}

#[tokio::test]
async fn nothing_is_stamped_at_or_before_what_a_page_called_complete() {
    let fixture = Fixture::new().await;
    let complete = page(&fixture, "").await.complete_until;
    // The clock steps back: stamps do not.
    fixture.clock.set("2026-12-01T11:00:00Z");
    let receipt = fixture.set("ann", &json!({})).await;
    let at: Timestamp =
        receipt["takes_effect_at"].as_str().expect("text").parse().expect("an instant");
    assert!(at > complete);
}

#[tokio::test]
async fn a_cursor_of_another_incarnation_or_of_the_future_is_gone() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({})).await;
    let next = page(&fixture, "").await.next;
    let (incarnation, _) = next.split_once('-').expect("an incarnation");
    fixture.get(&format!("/preferences/changes?since_id={incarnation}-2")).await.problem(410);
    fixture.get("/preferences/changes?since_id=00000000-1").await.problem(410);
    let other = Fixture::new().await;
    other.set("ann", &json!({})).await;
    other.get(&format!("/preferences/changes?since_id={next}")).await.problem(410);
    for wrong in [
        "?since_id=1",
        "?since_id=",
        "?wait=31",
        "?wait=-1",
        "?limit=0",
        "?limit=1001",
        "?since=now",
    ] {
        fixture.get(&format!("/preferences/changes{wrong}")).await.problem(400);
    }
}

#[tokio::test]
async fn a_cursor_outlives_a_restart() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({})).await;
    let next = page(&fixture, "").await.next;
    let fixture = fixture.reopened().await;
    fixture.set("bob", &json!({})).await;
    let page = page(&fixture, &format!("?since_id={next}")).await;
    assert_eq!(page.changes.len(), 1);
}

#[tokio::test]
async fn a_waiting_poll_answers_as_soon_as_there_is_a_change() {
    let fixture = Fixture::new().await;
    let start = page(&fixture, "").await.next;
    let query = format!("?since_id={start}&wait=30");
    let poll = page(&fixture, &query);
    let write = async {
        tokio::task::yield_now().await;
        fixture.set("ann", &json!({})).await
    };
    let (page, _) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(poll, write) })
            .await
            .expect("long before the wait is over");
    assert_eq!(page.changes.len(), 1);
}

#[tokio::test]
async fn a_shutdown_ends_waiting_polls() {
    let fixture = Fixture::new().await;
    let poll = page(&fixture, "?wait=30");
    let shutdown = async {
        tokio::task::yield_now().await;
        fixture.service.shutdown();
    };
    let (page, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(poll, shutdown) })
            .await
            .expect("long before the wait is over");
    assert!(page.changes.is_empty());
    assert!(
        self::page(&fixture, "?wait=30").await.changes.is_empty(),
        "and from then on none waits"
    );
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_a_change_ends_with_its_wait() {
    let fixture = Fixture::new().await;
    let began = tokio::time::Instant::now();
    assert!(page(&fixture, "?wait=7").await.changes.is_empty());
    assert!(began.elapsed() >= Duration::from_secs(7));
}
