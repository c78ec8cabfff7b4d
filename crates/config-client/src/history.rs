//! What a user has stated over time (W3). Not cached.

use cohort_preferences::{FeatureDefaults, FeatureType, GroupList, TenantId};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{ConfigDatabaseClient, tenant_path};
use crate::error::ClientError;
use crate::transport::{Request, segment};

/// Entries of a page.
const ENTRIES_A_PAGE: usize = 1_000;

/// The most entries that are read: nobody asks what a user stated ten thousand edits ago.
const MOST_ENTRIES: usize = 10_000;

/// One change of a tenant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HistoryEntry {
    /// When it came into effect.
    pub at: Timestamp,
    /// Of which preference; `None` for a change of the tenant's own timezone and labels.
    pub feature_type: Option<FeatureType>,
    /// The version that it made; a first change makes 1.
    pub version: u64,
    /// What stands since: the preference as it was written, or the profile; `None` if it was
    /// deleted.
    pub after: Option<Value>,
}

/// A page of a history.
#[derive(Deserialize)]
struct HistoryPage {
    history: Vec<HistoryEntry>,
    next_cursor: Option<String>,
}

impl ConfigDatabaseClient {
    /// The changes of a tenant's preferences and profile, newest first, as far as they are kept;
    /// none of a tenant who is not there. After 10,000 the list ends.
    pub async fn get_history(&self, tenant: &TenantId) -> Result<Vec<HistoryEntry>, ClientError> {
        let path = format!("{}/history", tenant_path(tenant)?);
        let (mut entries, mut cursor) = (Vec::new(), None);
        while entries.len() < MOST_ENTRIES {
            let request = Request::new(Method::GET, &*path).query("limit", ENTRIES_A_PAGE);
            let request = cursor
                .iter()
                .fold(request, |request, cursor: &String| request.query("cursor", cursor));
            let page: HistoryPage = self.transport.retried(&request).await?.read()?;
            entries.extend(page.history);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(entries)
    }

    /// The default preferences of a feature over the last week, oldest first (T12); none if it
    /// never had any.
    pub async fn get_feature_defaults(
        &self,
        feature: &FeatureType,
    ) -> Result<Vec<FeatureDefaults>, ClientError> {
        let request = Request::new(
            Method::GET,
            format!("/features/{}/frequency-groups", segment(feature.as_str())),
        )
        .query("limit", 1);
        let list: GroupList = self.transport.retried(&request).await?.read()?;
        Ok(list.defaults)
    }
}
