//! When a preference would fire that is not stored (M7).

use cohort_preferences::{FeatureType, NamedRun, NextRun, Occurrence, Preference, Schedule, Zone};
use jiff::Timestamp;
use serde_json::Value;

use super::bounds::bounded;
use super::config_service::ConfigService;
use crate::error::Result;
use crate::receipt::next_run;

/// The most occurrences of a preview.
const MOST_OCCURRENCES: usize = 100;

/// Asks when a preference would fire that is not stored.
pub(crate) struct PreviewRequest<'a> {
    /// The preference.
    pub(crate) preference: &'a Value,
    /// For which feature, whose defaults then fill what it leaves open.
    pub(crate) feature: Option<FeatureType>,
    /// The zone of the tenant, if the preference states none.
    pub(crate) timezone: Option<Zone>,
    /// After which instant; now if not said.
    pub(crate) after: Option<Timestamp>,
    /// How many occurrences.
    pub(crate) count: Option<usize>,
}

/// When a preference would fire.
pub(crate) struct Preview {
    /// The next run, or why none can be named.
    pub(crate) next: NextRun,
    /// The occurrences asked for; none if the next cannot be named.
    pub(crate) occurrences: Vec<NamedRun>,
}

impl ConfigService {
    /// When a preference would fire that is not stored.
    pub(crate) async fn preview(&self, request: PreviewRequest<'_>) -> Result<Preview> {
        let preference = Preference::from_json(request.preference, "/preference")?;
        let count = bounded("count", request.count, 5, MOST_OCCURRENCES)?;
        let after = request.after.unwrap_or_else(|| self.0.clock.now());
        let registry = self.registry().await?;
        let defaults =
            request.feature.as_ref().map(|feature| registry.defaults(feature)).unwrap_or_default();
        let timezone = request.timezone.as_ref();
        let next = next_run(Some(&preference), timezone, &defaults, after);
        let occurrences = match (&next, preference.stated_group(timezone).resolve_by(&defaults)) {
            (NextRun::At { next_run: first }, Ok(group)) => {
                let schedule = Schedule::of(&group);
                schedule
                    .after(after)
                    .skip_while(|occurrence| occurrence.at < first.at)
                    .filter(|occurrence| Some(occurrence.nominal) != preference.skip_next)
                    .take(count)
                    .map(|occurrence| named_run(&occurrence, group.timezone()))
                    .collect()
            }
            _ => Vec::new(),
        };
        Ok(Preview { next, occurrences })
    }
}

fn named_run(occurrence: &Occurrence, timezone: &Zone) -> NamedRun {
    NamedRun {
        nominal: occurrence.nominal,
        timezone: timezone.name().to_owned(),
        at: occurrence.at,
    }
}
