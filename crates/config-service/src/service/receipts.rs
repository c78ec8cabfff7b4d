//! Receipts: what a write means, told at once (M7).

use std::collections::BTreeMap;

use cohort_preferences::{FeatureType, Receipt, TenantId, Zone};
use jiff::Timestamp;

use super::config_service::ConfigService;
use super::rules::Registry;
use crate::already_ran::{InForce, already_ran, has_begun, history_begins};
use crate::error::Result;
use crate::receipt::next_run;
use crate::store::edit::{Current, Edited, Stated};

/// What a write of a preference, a document or a profile left: its version, and a receipt for each
/// feature.
pub(crate) struct Written {
    /// The resource's version after the write.
    pub(crate) version: u64,
    /// Whether the resource was not there before.
    pub(crate) created: bool,
    /// The receipt of each feature that the write concerned.
    pub(crate) receipts: BTreeMap<FeatureType, Receipt>,
}

/// How many edits of the last two days are looked at for what was due before.
const EDITS_LOOKED_AT: usize = 32;

impl ConfigService {
    pub(super) async fn receipts(
        &self,
        tenant: &TenantId,
        registry: &Registry,
        edited: &Edited,
        is_concerned: impl Fn(&FeatureType) -> bool,
    ) -> Result<BTreeMap<FeatureType, Receipt>> {
        let concerned: Vec<_> =
            edited.after.preferences.iter().filter(|(feature, _)| is_concerned(feature)).collect();
        let timezone = edited.after.profile.timezone.as_ref();
        let mut receipts = BTreeMap::new();
        for (feature, current) in concerned {
            let is_changed = edited.before.preference(feature).map(|before| before.version)
                != Some(current.version);
            // A write that changed nothing took effect long ago, but its next run is still to come.
            let from = if is_changed { current.at } else { current.at.max(self.0.clock.now()) };
            let mut receipt = receipt(registry, feature, current, timezone, from)?;
            if current.version > 1 && has_begun(&receipt.next_run, from) {
                let history = self.in_force(tenant, feature, edited, from).await?;
                let defaults = registry.defaults(feature);
                receipt.already_ran = already_ran(&receipt.next_run, &history, &defaults, from);
            }
            receipts.insert(feature.clone(), receipt);
        }
        Ok(receipts)
    }

    /// Returns what a preference has said of late, newest first.
    async fn in_force(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
        edited: &Edited,
        now: Timestamp,
    ) -> Result<Vec<InForce>> {
        let edits =
            self.0.store.history(tenant, Some(feature.clone()), i64::MAX, EDITS_LOOKED_AT).await?;
        let begins = history_begins(now);
        let mut in_force = Vec::new();
        // Edits that others have made since are theirs to be told of.
        for edit in edits.iter().filter(|edit| edit.at <= now) {
            // What cannot be read was not planned either.
            let said = edit.after.as_deref().map(Stated::stored).and_then(Result::ok);
            let tenant = if in_force.is_empty() { &edited.after } else { &edited.before };
            in_force.push(InForce {
                from: edit.at,
                preference: said.map(|stated| stated.preference),
                timezone: tenant.profile.timezone.clone(),
            });
            if edit.at < begins {
                break;
            }
        }
        Ok(in_force)
    }
}

/// Returns the receipt of a preference (M7), with its next run after `from`.
fn receipt(
    registry: &Registry,
    feature: &FeatureType,
    current: &Current,
    timezone: Option<&Zone>,
    from: Timestamp,
) -> Result<Receipt> {
    let preference =
        current.json.as_deref().map(Stated::stored).transpose()?.map(|stated| stated.preference);
    let next_run = next_run(preference.as_ref(), timezone, &registry.defaults(feature), from);
    Ok(Receipt {
        version: current.version,
        takes_effect_at: current.at,
        next_run,
        already_ran: None,
    })
}
