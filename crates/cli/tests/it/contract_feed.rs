//! The feed of changes, between the client and the real service.

use std::time::{Duration, Instant};

use cohort_config_client::ClientError;
use cohort_preferences::{ChangeKind, Frequency, StatedGroup, TenantId};
use serde_json::json;

use crate::contract::{Fixture, client, daily};

/// Far less than a long poll of 30 seconds.
const AT_ONCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_reader_of_the_feed_is_woken_by_a_change() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &daily("09:00")).await;
    let start =
        fixture.client.get_preference_changes(Some("now"), Duration::ZERO).await.expect("answered");
    assert!(start.changes.is_empty());
    let began = Instant::now();
    let waiting = tokio::spawn({
        let (client, since) = (fixture.client.clone(), start.next.clone());
        async move { client.get_preference_changes(Some(&since), Duration::from_secs(30)).await }
    });
    fixture
        .set("ann", &json!({"frequency": "weekly", "preferred_day": "monday", "timezone": "UTC"}))
        .await;
    let page = waiting.await.expect("no panic").expect("answered");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let [change] = page.changes.as_slice() else { panic!("{page:?}") };
    assert_eq!(
        (change.tenant_id.as_ref().map(TenantId::as_str), change.version, change.kind),
        (Some("ann"), 2, ChangeKind::Set)
    );
    assert_eq!(change.left.as_ref().and_then(StatedGroup::frequency), Some(Frequency::Daily));
    assert_eq!(change.joined.as_ref().and_then(StatedGroup::frequency), Some(Frequency::Weekly));
    // The page itself may have been read while the commit was ending.
    let after = fixture
        .client
        .get_preference_changes(Some(&page.next), Duration::ZERO)
        .await
        .expect("answered");
    assert!(after.changes.is_empty() && after.complete_until >= change.at);

    let from_the_oldest =
        fixture.client.get_preference_changes(None, Duration::ZERO).await.expect("answered");
    assert_eq!(from_the_oldest.changes.len(), 2);
    fixture.client.delete_feature_preference("ann", "posts").await.expect("deleted");
    let last = fixture
        .client
        .get_preference_changes(Some(&page.next), Duration::ZERO)
        .await
        .expect("answered");
    assert_eq!(last.changes[0].kind, ChangeKind::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_another_client_leaves_the_cache_once_the_feed_has_named_it() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &daily("09:00")).await;
    let start =
        fixture.client.get_preference_changes(Some("now"), Duration::ZERO).await.expect("answered");
    let time = async || {
        fixture
            .client
            .get_user_preferences("ann")
            .await
            .expect("there")
            .feature_as_json("posts")
            .cloned()
    };
    assert_eq!(time().await, Some(daily("09:00")));
    let other = client(&fixture.base, &fixture.key);
    other.set_feature_preference("ann", "posts", &daily("10:00")).await.expect("stored");
    assert_eq!(time().await, Some(daily("09:00")), "from the cache");
    let page =
        fixture.client.get_preference_changes(Some(&start.next), AT_ONCE).await.expect("answered");
    assert_eq!(page.changes.len(), 1);
    assert_eq!(time().await, Some(daily("10:00")));
}

#[tokio::test]
async fn a_cursor_of_another_database_is_gone() {
    let (one, other) = (Fixture::new().await, Fixture::new().await);
    let foreign = other
        .client
        .get_preference_changes(Some("now"), Duration::ZERO)
        .await
        .expect("answered")
        .next;
    let error = one
        .client
        .get_preference_changes(Some(&foreign), Duration::from_secs(30))
        .await
        .expect_err("foreign");
    assert!(matches!(error, ClientError::Gone { .. }), "{error:?}");
    let nonsense = one
        .client
        .get_preference_changes(Some("nonsense"), Duration::ZERO)
        .await
        .expect_err("no cursor");
    assert_eq!(nonsense.status().map(|status| status.as_u16()), Some(400));
}

#[tokio::test]
async fn a_poll_that_waits_while_the_service_ends_is_answered_without_changes() {
    let fixture = Fixture::new().await;
    fixture.service.shutdown();
    let began = Instant::now();
    let page = fixture
        .client
        .get_preference_changes(Some("now"), Duration::from_secs(30))
        .await
        .expect("answered");
    assert!(page.changes.is_empty());
    assert!(began.elapsed() < AT_ONCE);
}
