//! The handle that callers hold. Its calls stand with what they are about.

use std::fmt;
use std::sync::Arc;

use crate::cache::DocumentCache;
use crate::feed_options::FeedOptions;
use crate::transport::Transport;

/// A handle on the Config Database. Clones share connections and cache.
///
/// Names of tenants and features are given as text or as their own type:
///
/// ```no_run
/// use cohort_config_client::{ClientError, ConfigDatabaseClient, FeatureType};
///
/// # async fn example(client: ConfigDatabaseClient) -> Result<(), ClientError> {
/// let groups = client.get_frequency_groups("instagram_posts").await?;
/// let feature: FeatureType = groups.feature_type;
/// client.get_frequency_groups(&feature).await?;
/// # Ok(())
/// # }
/// ```
///
/// A name that nothing of its kind can have is [`ClientError::Name`](crate::ClientError::Name), and
/// nothing is sent.
#[derive(Clone)]
pub struct ConfigDatabaseClient {
    pub(crate) transport: Transport,
    pub(crate) cache: Arc<DocumentCache>,
    pub(crate) feed: FeedOptions,
}

impl fmt::Debug for ConfigDatabaseClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigDatabaseClient")
            .field("base_url", &self.transport.base_url().as_str())
            .finish_non_exhaustive()
    }
}
