//! What the commands on users share: where a user is, and how labels are shown.

use cohort_preferences::TenantId;
use serde_json::Value;

use crate::endpoint::segment;
use crate::output::shown;

/// Returns the path of a user.
pub(super) fn path(tenant: &TenantId) -> String {
    format!("/tenants/{}", segment(tenant.as_str()))
}

/// Returns labels as `name:value`, or "-" if there are none.
pub(super) fn labels(labels: &Value) -> String {
    let labels: Vec<_> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}:{}", shown(value)))
        .collect();
    if labels.is_empty() { "-".into() } else { labels.join(" ") }
}
