//! What a user has stated over time (W3). Not cached.

use cohort_preferences::{FeatureDefaults, FeatureType, GroupList, IdError, TenantId};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::names::{feature_type, tenant_id};
use crate::request::Request;

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
    /// The version that it made, 1 for the first change.
    pub version: u64,
    /// What holds since then: the preference as it was written, or the profile; `None` if it was
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
    /// Returns the changes of a tenant's preferences and profile, newest first, as far as they are
    /// kept. A tenant who is not there has none. After 10,000 the list ends.
    pub async fn get_history(
        &self,
        tenant: impl TryInto<TenantId, Error: Into<IdError>>,
    ) -> Result<Vec<HistoryEntry>, ClientError> {
        let tenant = tenant_id(tenant)?;
        let mut page = self.get_history_page(&tenant, None).await?;
        let mut entries = page.history;
        while let Some(cursor) = page.next_cursor.filter(|_| entries.len() < MOST_ENTRIES) {
            page = self.get_history_page(&tenant, Some(&cursor)).await?;
            entries.append(&mut page.history);
        }
        Ok(entries)
    }

    async fn get_history_page(
        &self,
        tenant: &TenantId,
        cursor: Option<&str>,
    ) -> Result<HistoryPage, ClientError> {
        let mut request = Request::new(Method::GET, "/tenants/{tenant_id}/history")
            .at("tenant_id", tenant.as_str())?
            .query("limit", ENTRIES_A_PAGE);
        if let Some(cursor) = cursor {
            request = request.query("cursor", cursor);
        }
        self.transport.retried(&request).await?.read()
    }

    /// Returns the default preferences of a feature over the last week, oldest first (T12); none if
    /// it never had any.
    pub async fn get_feature_defaults(
        &self,
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
    ) -> Result<Vec<FeatureDefaults>, ClientError> {
        let request = Request::new(Method::GET, "/features/{feature_type}/frequency-groups")
            .at("feature_type", feature_type(feature)?.as_str())?
            .query("limit", 1);
        let list: GroupList = self.transport.retried(&request).await?.read()?;
        Ok(list.defaults)
    }
}
