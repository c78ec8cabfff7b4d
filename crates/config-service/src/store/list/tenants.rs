//! Lists of tenants, of what each prefers and of what became of it.

use cohort_preferences::{FeatureType, LabelFilter, TenantId};
use jiff::Timestamp;

use crate::cursor::TenantsAfter;
use crate::store::edit::{Profile, Tenant};

/// Asks for tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct TenantsQuery {
    /// Only those whose id begins so; the list is then in the order of ids, else of numbers.
    pub(crate) prefix: Option<String>,
    /// Only those that carry this label now.
    pub(crate) label: Option<LabelFilter>,
    /// Only those that were there at this instant.
    pub(crate) as_of: Option<Timestamp>,
    /// Where the page before ended.
    pub(crate) after: Option<TenantsAfter>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// A tenant in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantSummary {
    /// Its number.
    pub(crate) number: u64,
    /// Who.
    pub(crate) tenant_id: TenantId,
    /// Since when.
    pub(crate) created_at: Timestamp,
    /// Timezone and labels.
    pub(crate) profile: Profile,
}

/// A tenant with everything.
#[derive(Debug, Clone)]
pub(crate) struct StoredTenant {
    /// Who.
    pub(crate) tenant_id: TenantId,
    /// What is known of them.
    pub(crate) tenant: Tenant,
}

/// A preference with what rules look at (W7).
#[derive(Debug, Clone)]
pub(crate) struct StoredPreference {
    /// Whose.
    pub(crate) tenant_id: TenantId,
    /// The tenant's number.
    pub(crate) number: u64,
    /// The tenant's timezone and labels.
    pub(crate) profile: Profile,
    /// Its version.
    pub(crate) version: u64,
    /// As it was stated.
    pub(crate) json: String,
}

/// One change of a tenant, as the history tells it (W3).
#[derive(Debug, Clone)]
pub(crate) struct HistoryEntry {
    /// The change row.
    pub(crate) change: i64,
    /// When.
    pub(crate) at: Timestamp,
    /// Who.
    pub(crate) actor: String,
    /// Which preference; `None` for timezone and labels.
    pub(crate) feature: Option<FeatureType>,
    /// The version that it made.
    pub(crate) version: u64,
    /// What stood before; `None` if nothing, or if it is no longer kept.
    pub(crate) before: Option<String>,
    /// What it wrote; `None` if it deleted.
    pub(crate) after: Option<String>,
    /// The version of the feature's definition that it passed.
    pub(crate) rules: u64,
}
