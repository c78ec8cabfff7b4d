//! Receipts: what a write means, told at once (M7).

use std::collections::BTreeMap;

use cohort_preferences::{FeatureType, Receipt, Zone};
use jiff::Timestamp;

use super::config_service::ConfigService;
use super::rules::Registry;
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

impl ConfigService {
    pub(super) fn receipts(
        &self,
        registry: &Registry,
        edited: &Edited,
        is_concerned: impl Fn(&FeatureType) -> bool,
    ) -> Result<BTreeMap<FeatureType, Receipt>> {
        let concerned =
            edited.after.preferences.iter().filter(|(feature, _)| is_concerned(feature));
        concerned
            .map(|(feature, current)| {
                let is_changed = edited.before.preference(feature).map(|before| before.version)
                    != Some(current.version);
                // A write that changed nothing took effect long ago, but its next run is still to
                // come.
                let from = if is_changed { current.at } else { current.at.max(self.0.clock.now()) };
                Ok((
                    feature.clone(),
                    receipt(
                        registry,
                        feature,
                        current,
                        edited.after.profile.timezone.as_ref(),
                        from,
                    )?,
                ))
            })
            .collect()
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
    Ok(Receipt { version: current.version, takes_effect_at: current.at, next_run })
}
