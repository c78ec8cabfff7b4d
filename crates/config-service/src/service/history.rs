//! A tenant's changes (W3).

use cohort_preferences::{FeatureType, TenantId};

use super::bounds::bounded;
use super::config_service::ConfigService;
use crate::error::Result;
use crate::store::list::HistoryEntry;

/// Entries of a page of a history, if the request does not say.
pub(super) const ENTRIES_A_PAGE: usize = 100;

/// The most entries of a page of a history.
const MOST_ENTRIES: usize = 1_000;

impl ConfigService {
    /// Returns a page of a tenant's changes, newest first (W3).
    pub(crate) async fn history(
        &self,
        tenant: &TenantId,
        feature: Option<FeatureType>,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<(Vec<HistoryEntry>, Option<String>)> {
        let incarnation = self.0.store.incarnation();
        let before =
            cursor.map(|cursor| incarnation.row_after(cursor)).transpose()?.unwrap_or(i64::MAX);
        let limit = bounded("limit", limit, ENTRIES_A_PAGE, MOST_ENTRIES)?;
        let mut entries = self.0.store.history(tenant, feature, before, limit + 1).await?;
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let next =
            entries.last().filter(|_| has_more).map(|last| incarnation.row_cursor(last.change));
        Ok((entries, next))
    }
}
