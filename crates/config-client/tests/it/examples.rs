//! The examples, run against a real Config Database.

use tokio::sync::mpsc;

use crate::real::ConfigDatabase;

#[path = "../../examples/follow_changes.rs"]
#[expect(dead_code, reason = "its `main` reads the environment, which tests share")]
mod follow_changes;

#[tokio::test]
async fn follow_changes_prints_the_groups_and_then_each_change() {
    let database = ConfigDatabase::new().await;
    database.set("ann", "09:00").await;
    let (printed, mut lines) = mpsc::unbounded_channel();
    let client = database.direct().clone();
    let following = tokio::spawn(async move {
        follow_changes::follow(&client, |line| printed.send(line).expect("read")).await
    });
    assert_eq!(lines.recv().await.as_deref(), Some("groups of instagram_posts: 1"));
    database.set("bob", "10:00").await;
    assert_eq!(lines.recv().await.as_deref(), Some("bob now wants daily:10:00 UTC"));
    following.abort();
}
