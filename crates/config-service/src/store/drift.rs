//! Users that stand in another group than their preference says: how they are found and moved.

use cohort_preferences::{FeatureType, TenantId};

use super::edit::{Current, Edit, Stated, Tenant, Wanted};
use super::list::{Drift, Misplaced, StoredTenant};
use crate::error::Result;

/// The most examples that a report names.
pub(super) const MOST_EXAMPLES: usize = 100;

/// How many tenants are looked at together.
pub(super) const TENANTS_A_LOOK: usize = 1_000;

/// Returns the preferences of these tenants that stand in the wrong group, and adds them to the
/// report.
pub(super) fn misplaced(
    tenants: &[StoredTenant],
    drift: &mut Drift,
) -> Result<Vec<(TenantId, FeatureType)>> {
    let mut misplaced = Vec::new();
    for stored in tenants {
        for (feature, current) in &stored.tenant.preferences {
            drift.preferences += 1;
            if !stands_right(&stored.tenant, current)? {
                misplaced.push((stored.tenant_id.clone(), feature.clone()));
            }
        }
    }
    drift.misplaced_count += misplaced.len() as u64;
    let room = MOST_EXAMPLES.saturating_sub(drift.misplaced.len());
    drift.misplaced.extend(misplaced.iter().take(room).map(|(tenant, feature)| Misplaced {
        feature: feature.clone(),
        tenant_id: tenant.to_string(),
    }));
    Ok(misplaced)
}

fn stands_right(tenant: &Tenant, current: &Current) -> Result<bool> {
    let stated = current.json.as_deref().map(Stated::stored).transpose()?;
    let wanted =
        stated.and_then(|stated| stated.admitted(0).group(tenant.profile.timezone.as_ref()));
    Ok(wanted.as_ref() == current.member.as_ref().map(|member| &member.group))
}

/// Writes a preference once more as it is, so that the plan moves its user into the right group.
pub(super) fn put_right(tenant: TenantId, feature: FeatureType) -> Edit {
    let wanted = feature.clone();
    let decide = move |tenant: &Tenant| {
        let json = tenant.preference(&wanted).and_then(|current| current.json.as_deref());
        let stated = json.map(Stated::stored).transpose()?;
        Ok(Wanted::preference(wanted, stated.map(|stated| stated.admitted(0))))
    };
    Edit { tenant, feature: Some(feature), actor: "drift repair".into(), decide: Box::new(decide) }
}
