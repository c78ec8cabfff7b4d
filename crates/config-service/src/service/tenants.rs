//! Lists of tenants, and what many of them have in common.

use cohort_preferences::{
    LabelFilter, LabelValues, LabelValuesRequest, TenantFilter, TenantId, TenantTimezone,
};
use jiff::Timestamp;

use super::bounds::{MEMBERS_A_PAGE, MOST_MEMBERS, MOST_USERS, bounded, too_many};
use super::config_service::ConfigService;
use crate::cursor::{MembersAfter, TenantsAfter};
use crate::error::Result;
use crate::store::list::{ChosenPage, ChosenQuery, TenantSummary, TenantsQuery};

/// Tenants of a page, if the request does not say, and the most.
const TENANTS_A_PAGE: usize = 1_000;

/// Asks for a page of tenants.
#[derive(Debug, Default)]
pub(crate) struct TenantsRequest {
    /// Only those whose id begins so.
    pub(crate) q: Option<String>,
    /// Only those that carry this label.
    pub(crate) label: Option<LabelFilter>,
    /// Only those that were there at this instant.
    pub(crate) as_of: Option<Timestamp>,
    /// Where to go on.
    pub(crate) cursor: Option<String>,
    /// At most so many.
    pub(crate) limit: Option<usize>,
}

/// A page of tenants as of an instant.
pub(crate) struct TenantMemberPage {
    /// The page.
    pub(crate) page: ChosenPage,
    /// As of which instant it is.
    pub(crate) as_of: Timestamp,
    /// `None` on the last page.
    pub(crate) next_cursor: Option<String>,
}

impl ConfigService {
    /// Returns a page of tenants.
    pub(crate) async fn tenants(
        &self,
        request: TenantsRequest,
    ) -> Result<(Vec<TenantSummary>, Option<String>)> {
        let incarnation = self.0.store.incarnation();
        let limit = bounded("limit", request.limit, TENANTS_A_PAGE, TENANTS_A_PAGE)?;
        let query = TenantsQuery {
            prefix: request.q.filter(|q| !q.is_empty()),
            label: request.label,
            as_of: request.as_of,
            after: request.cursor.map(|cursor| incarnation.tenants_after(&cursor)).transpose()?,
            limit: limit + 1,
        };
        let mut tenants = self.0.store.tenants(query).await?;
        let has_more = tenants.len() > limit;
        tenants.truncate(limit);
        let last = tenants.last().filter(|_| has_more);
        let next = last.map(|last| TenantsAfter {
            number: last.number,
            tenant_id: last.tenant_id.to_string(),
        });
        Ok((tenants, next.map(|next| incarnation.tenants_cursor(&next))))
    }

    /// Returns a page of tenants as of an instant, whatever they prefer (T13).
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn chosen(
        &self,
        filter: TenantFilter,
        as_of: Option<Timestamp>,
        cursor: Option<String>,
        limit: Option<usize>,
    ) -> Result<TenantMemberPage> {
        if filter.tenant_ids.len() > MOST_USERS {
            return Err(too_many("/filter/tenant_ids", filter.tenant_ids.len(), MOST_USERS));
        }
        let incarnation = self.0.store.incarnation();
        let after = cursor.map(|cursor| self.members_after(&cursor)).transpose()?;
        let as_of = self.instant_of_list(as_of, after)?;
        let query = ChosenQuery {
            filter,
            as_of,
            after: after.map_or(0, |after| after.number),
            limit: bounded("limit", limit, MEMBERS_A_PAGE, MOST_MEMBERS)?,
        };
        let page = self.0.store.chosen(query).await?;
        let next_cursor = page
            .more_after
            .map(|number| incarnation.members_cursor(MembersAfter { as_of, number }));
        Ok(TenantMemberPage { page, as_of, next_cursor })
    }

    /// Returns the zones that tenants call their own.
    pub(crate) async fn timezones(&self) -> Result<Vec<TenantTimezone>> {
        self.0.store.timezones().await
    }

    /// Returns one label of many tenants, as it is now.
    pub(crate) async fn label_values(&self, asked: LabelValuesRequest) -> Result<LabelValues> {
        let LabelValuesRequest { label, tenant_ids } = asked;
        if tenant_ids.len() > MOST_USERS {
            return Err(too_many("/tenant_ids", tenant_ids.len(), MOST_USERS));
        }
        let labels = self.0.store.labels(tenant_ids.clone()).await?;
        let value = |tenant: &TenantId| labels.get(tenant)?.get(label.as_str()).map(str::to_owned);
        Ok(LabelValues { values: tenant_ids.iter().map(value).collect() })
    }
}
