//! Follows the preference changes of one feature and prints them, until it is stopped.
//!
//! ```sh
//! export CONFIG_SERVICE_URL=http://localhost:8000/api/v1 CONFIG_SERVICE_API_KEY=…
//! cargo run -p cohort-config-client --example follow_changes
//! ```

use cohort_config_client::{Change, ClientError, ConfigDatabaseClient, FeedEvent};
use futures_util::TryStreamExt;

const FEATURE: &str = "instagram_posts";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ClientError> {
    follow(&ConfigDatabaseClient::from_env()?, |line| println!("{line}")).await
}

/// Reads the groups once, and from their position on every change.
pub(crate) async fn follow(
    client: &ConfigDatabaseClient,
    print: impl Fn(String),
) -> Result<(), ClientError> {
    let known = client.get_frequency_groups(FEATURE).await?;
    print(format!("groups of {FEATURE}: {}", known.groups.len()));
    let mut events = Box::pin(client.follow_changes(&known.position));
    while let Some(event) = events.try_next().await? {
        match event {
            FeedEvent::Page { page, .. } => {
                let of_feature = |change: &&Change| change.feature_type.as_str() == FEATURE;
                page.changes.iter().filter(of_feature).map(describe).for_each(&print);
            }
            FeedEvent::Resynchronise { .. } => {
                let groups = client.get_frequency_groups(FEATURE).await?.groups;
                print(format!("changes were missed; there are {} groups now", groups.len()));
            }
            FeedEvent::Interrupted(error) => print(format!("no news for now: {error}")),
        }
    }
    Ok(())
}

fn describe(change: &Change) -> String {
    let who = change.tenant_id.as_ref().map_or("somebody", |tenant| tenant.as_str());
    match &change.joined {
        Some(group) => format!("{who} now wants {group}"),
        None => format!("{who} changed something else, or left"),
    }
}
