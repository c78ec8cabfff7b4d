//! What the agent needs of the Config Database, so that a simulation can stand in for the network.

use std::time::Duration;

use async_trait::async_trait;
pub use cohort_config_client::HistoryEntry;
use cohort_config_client::{ClientError, ConfigDatabaseClient, FeedEvent};
use cohort_preferences::{
    BatchGetResponse, ChangePage, FeatureDefaults, FeatureType, GroupList, LabelName, MemberLists,
    MemberListsRequest, MemberPage, MembersRequest, TenantId, TenantMemberPage,
    TenantMembersRequest, TenantTimezone,
};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

/// How long one poll of a feed waits for a change.
const LONG_POLL: Duration = Duration::from_secs(25);

/// Why the Config Database could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The feed's cursor is past retention, or of another incarnation of the database: read
    /// everything anew (F7).
    #[error("the change feed does not reach back to the cursor")]
    Gone,
    /// It refuses the agent's key (401, 403): asking again is no use before somebody has given
    /// another.
    #[error("the Config Database refuses the agent's key")]
    Denied(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It cannot be reached, or its answer made no sense.
    #[error("asking the Config Database")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<ClientError> for SourceError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Gone { .. } => Self::Gone,
            denied @ ClientError::Denied { .. } => Self::Denied(Box::new(denied)),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

/// Where groups, members and changes come from.
#[async_trait]
pub trait PreferenceSource: Send + Sync + 'static {
    /// All stated groups of a feature.
    async fn groups(&self, feature: &FeatureType) -> Result<GroupList, SourceError>;

    /// A page of the members of some groups as of an instant (M1).
    async fn members(&self, request: &MembersRequest) -> Result<MemberPage, SourceError>;

    /// The members of many lists of groups as of an instant (M1). Each list is whole, or missing if
    /// it does not fit into the request's limit.
    async fn member_lists(&self, request: &MemberListsRequest) -> Result<MemberLists, SourceError>;

    /// A page of the tenants of a filter as of an instant, whatever they prefer (T13).
    async fn tenants(
        &self,
        request: &TenantMembersRequest,
    ) -> Result<TenantMemberPage, SourceError>;

    /// The zones that tenants call their own.
    async fn timezones(&self) -> Result<Vec<TenantTimezone>, SourceError>;

    /// The value of a label of each of some tenants as it is now, in the order asked; `None` for
    /// one who does not carry it.
    async fn label_values(
        &self,
        label: &LabelName,
        tenants: &[TenantId],
    ) -> Result<Vec<Option<String>>, SourceError>;

    /// The preferences of some users as they are now (M3).
    async fn preferences(
        &self,
        feature: &FeatureType,
        tenants: &[TenantId],
    ) -> Result<BatchGetResponse, SourceError>;

    /// What a tenant has stated over time, newest first, as far as it is kept (W3); empty for a
    /// tenant who is not there.
    async fn history(&self, tenant: &TenantId) -> Result<Vec<HistoryEntry>, SourceError>;

    /// The default preferences of a feature over the last week, oldest first (T12).
    async fn feature_defaults(
        &self,
        feature: &FeatureType,
    ) -> Result<Vec<FeatureDefaults>, SourceError>;

    /// The changes since a cursor (`now`: from here on); waits up to `wait` for the first.
    async fn changes(&self, since: &str, wait: Duration) -> Result<ChangePage, SourceError>;

    /// The feed from a cursor on, as it grows (F8); it ends after an error. A source that pushes
    /// nothing is polled.
    fn follow(&self, since: String) -> BoxStream<'_, Result<FeedEvent, SourceError>> {
        let poll = move |since: String| async move {
            let page = self.changes(&since, LONG_POLL).await?;
            let next = page.next.clone();
            Ok(Some((FeedEvent::Page { since, page }, next)))
        };
        stream::try_unfold(since, poll).boxed()
    }
}

#[async_trait]
impl PreferenceSource for ConfigDatabaseClient {
    async fn groups(&self, feature: &FeatureType) -> Result<GroupList, SourceError> {
        Ok(self.get_frequency_groups(feature.as_str()).await?)
    }

    async fn members(&self, request: &MembersRequest) -> Result<MemberPage, SourceError> {
        Ok(self.get_frequency_group_members(request).await?)
    }

    async fn member_lists(&self, request: &MemberListsRequest) -> Result<MemberLists, SourceError> {
        Ok(self.get_member_lists(request).await?)
    }

    async fn tenants(
        &self,
        request: &TenantMembersRequest,
    ) -> Result<TenantMemberPage, SourceError> {
        Ok(self.get_tenant_members(request).await?)
    }

    async fn timezones(&self) -> Result<Vec<TenantTimezone>, SourceError> {
        Ok(self.get_tenant_timezones().await?)
    }

    async fn label_values(
        &self,
        label: &LabelName,
        tenants: &[TenantId],
    ) -> Result<Vec<Option<String>>, SourceError> {
        Ok(self.get_label_values(label, tenants).await?)
    }

    async fn preferences(
        &self,
        feature: &FeatureType,
        tenants: &[TenantId],
    ) -> Result<BatchGetResponse, SourceError> {
        Ok(self.get_preferences(feature, tenants).await?)
    }

    async fn history(&self, tenant: &TenantId) -> Result<Vec<HistoryEntry>, SourceError> {
        Ok(self.get_history(tenant).await?)
    }

    async fn feature_defaults(
        &self,
        feature: &FeatureType,
    ) -> Result<Vec<FeatureDefaults>, SourceError> {
        Ok(self.get_feature_defaults(feature).await?)
    }

    async fn changes(&self, since: &str, wait: Duration) -> Result<ChangePage, SourceError> {
        Ok(self.get_preference_changes(Some(since), wait).await?)
    }

    fn follow(&self, since: String) -> BoxStream<'_, Result<FeedEvent, SourceError>> {
        self.follow_changes(&since).map_err(SourceError::from).boxed()
    }
}
