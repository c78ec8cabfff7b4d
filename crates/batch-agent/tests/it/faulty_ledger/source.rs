//! A Config Database under fate.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cohort_batch_agent::{PreferenceSource, SourceError};
use cohort_config_client::HistoryEntry;
use cohort_preferences::{
    BatchGetResponse, ChangePage, FeatureDefaults, FeatureType, GroupList, LabelName, MemberLists,
    MemberListsRequest, MemberPage, MembersRequest, TenantId, TenantMemberPage,
    TenantMembersRequest, TenantTimezone,
};

use super::{Fate, Moment, Point};

/// A Config Database under fate.
pub(crate) struct FaultySource<S> {
    source: S,
    fate: Arc<dyn Fate>,
    begun: AtomicU64,
}

impl<S> FaultySource<S> {
    pub(crate) fn new(source: S, fate: Arc<dyn Fate>) -> Self {
        Self { source, fate, begun: AtomicU64::new(0) }
    }

    async fn under_fate<T>(
        &self,
        operation: &'static str,
        done: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let done = pin!(done);
        let failed = |_refused| SourceError::Unavailable("as fate will have it".into());
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        self.fate
            .meet(Point { moment: Moment::Before, operation, number })
            .await
            .map_err(failed)?;
        let result = done.await;
        self.fate.meet(Point { moment: Moment::After, operation, number }).await.map_err(failed)?;
        result
    }
}

under_fate! {
    (<S: PreferenceSource> PreferenceSource for FaultySource<S>) in source, SourceError {
        fn groups(feature: &FeatureType) -> GroupList;
        fn members(request: &MembersRequest) -> MemberPage;
        fn member_lists(request: &MemberListsRequest) -> MemberLists;
        fn tenants(request: &TenantMembersRequest) -> TenantMemberPage;
        fn timezones() -> Vec<TenantTimezone>;
        fn label_values(label: &LabelName, tenants: &[TenantId]) -> Vec<Option<String>>;
        fn preferences(feature: &FeatureType, tenants: &[TenantId]) -> BatchGetResponse;
        fn history(tenant: &TenantId) -> Vec<HistoryEntry>;
        fn feature_defaults(feature: &FeatureType) -> Vec<FeatureDefaults>;
        fn changes(since: &str, wait: Duration) -> ChangePage;
    }
}
