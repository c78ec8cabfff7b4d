//! A job, and what follows from its fields.

use jiff::SignedDuration;

use super::choices::{Enroll, JobType, Misfire, OncePer, Priority};
use crate::defaults::Defaults;
use crate::frequency::Frequency;
use crate::id::{FeatureType, JobId, PurposeId};
use crate::labels::LabelName;
use crate::preference::Preference;
use crate::static_job::{Filters, StaticSchedule};

/// The attempts after the first that a user gets if neither job nor agent says (D4).
const DEFAULT_RETRIES: u32 = 3;

/// The most users that one chunk may hold (D3).
pub(super) const MOST_USERS_A_CHUNK: usize = 25;

/// One job: a feature, whom it serves by default, and how its runs are treated.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Job {
    /// Its name.
    pub job_id: JobId,
    /// How the handler is called.
    pub job_type: JobType,
    /// Which handler does the work.
    pub purpose_id: PurposeId,
    /// Whether users' preferences say when it runs; if not, `schedule` does.
    pub preference_based: bool,
    /// The feature that its work is for.
    pub feature_type: FeatureType,
    /// Who goes first when there is more work than capacity (D7).
    pub priority: Priority,
    /// What holds where a user states nothing (T12).
    pub default_preferences: Preference,
    /// Whether it also serves tenants who never stated a preference for the feature (T13).
    pub enroll: Enroll,
    /// When a job runs that does not follow preferences.
    pub schedule: Option<StaticSchedule>,
    /// Which tenants a job serves that does not follow preferences.
    pub filters: Filters,
    /// Users a chunk, 1 to 25 (D3).
    pub chunk_size: usize,
    /// Whether a user who may succeed later is tried again (D4).
    pub retry_failed: bool,
    /// Attempts after the first (D4); as many as the agent allows if not given.
    pub max_retries: Option<u32>,
    /// How long after its instant an occurrence may still be worked on (D4, D7); none by default.
    pub deadline: Option<SignedDuration>,
    /// How long after its instant a missed occurrence is still fired (F1); by frequency if not
    /// given.
    pub catchup_window: Option<SignedDuration>,
    /// What becomes of missed occurrences (F1).
    pub misfire: Misfire,
    /// Whether a user moved between groups may run again in the same day or period (M6).
    pub once_per: OncePer,
    /// The label of tenants by whose values the work is shared out: while there is more work than
    /// capacity, users of each value are served in turn (D7). If not given, who comes first is
    /// served first.
    pub fair_share_by: Option<LabelName>,
}

impl Job {
    /// The layers of defaults that hold for this job, strongest first (T12).
    pub fn defaults(&self) -> Defaults {
        Defaults(vec![self.default_preferences.clone()])
    }

    /// How long after its instant a missed occurrence of this frequency is still fired (F1).
    pub fn catchup_window(&self, frequency: Frequency) -> SignedDuration {
        self.catchup_window.unwrap_or(match frequency {
            Frequency::Hourly => SignedDuration::from_mins(30),
            Frequency::Daily | Frequency::Cron => SignedDuration::from_hours(12),
            Frequency::Weekly | Frequency::Biweekly => SignedDuration::from_hours(24),
            Frequency::Monthly => SignedDuration::from_hours(72),
        })
    }

    /// The job, with this many attempts after the first if it does not say how many.
    #[must_use]
    pub fn or_max_retries(self, retries: u32) -> Self {
        Self { max_retries: self.max_retries.or(Some(retries)), ..self }
    }

    /// The attempts after the first that a user gets.
    pub fn retries(&self) -> u32 {
        if self.retry_failed { self.max_retries.unwrap_or(DEFAULT_RETRIES) } else { 0 }
    }
}
