//! One preference as it was read, or why it could not be.

use cohort_preferences::{FeatureType, FieldError, Invalid, TenantId};

use crate::limits::check_tenant;
use crate::store::edit::{ImportRow, Stated};

/// One preference as it was read.
#[derive(Debug)]
pub(crate) struct Row {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// For which feature.
    pub(crate) feature: FeatureType,
    /// The preference.
    pub(crate) stated: Stated,
}

impl Row {
    /// Lets it pass under this version of the feature's definition.
    pub(crate) fn admitted(self, rules: u64) -> ImportRow {
        ImportRow {
            tenant: self.tenant,
            feature: self.feature,
            stated: self.stated.admitted(rules),
        }
    }
}

/// Where in its entry a preference stands.
#[derive(Debug)]
pub(super) enum Location {
    /// Under its feature in a document.
    Document(FeatureType),
    /// Beside the names of its tenant and feature.
    Row,
    /// In the cells of a record.
    Record,
}

impl Location {
    /// As a JSON Pointer; in a record a cell is named by its column.
    pub(super) fn pointer(&self) -> String {
        match self {
            // Feature types hold no character that a JSON Pointer escapes.
            Self::Document(feature) => format!("/config_value/{feature}"),
            Self::Row => "/preference".into(),
            Self::Record => String::new(),
        }
    }
}

/// Why a line is refused.
pub(super) enum Refusal {
    /// It cannot be told what it says.
    Unreadable(String),
    /// Fields are wrong.
    Invalid(Invalid),
}

impl Refusal {
    pub(super) fn into_parts(self) -> (Option<String>, Vec<FieldError>) {
        match self {
            Self::Unreadable(detail) => (Some(detail), Vec::new()),
            Self::Invalid(invalid) => (Some(invalid.to_string()), invalid.0),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// Returns the tenant if a path can name it.
pub(super) fn reachable(tenant: TenantId) -> Result<TenantId, Invalid> {
    check_tenant(&tenant).map_err(|why| Invalid::one("/tenant_id", why))?;
    Ok(tenant)
}

pub(super) fn note<T>(result: Result<T, Invalid>, errors: &mut Vec<FieldError>) -> Option<T> {
    result.map_err(|invalid| errors.extend(invalid.0)).ok()
}
