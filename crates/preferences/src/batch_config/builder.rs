//! Builds a job in a program.

use jiff::SignedDuration;

use super::choices::{Enroll, JobType, Misfire, OncePer, Priority};
use super::error::BatchConfigError;
use super::job::{Job, MOST_USERS_A_CHUNK};
use crate::id::{FeatureType, IdError, JobId, PurposeId};
use crate::labels::LabelName;
use crate::preference::Preference;
use crate::static_job::{Filters, StaticSchedule};

/// A job under construction; see [`Job::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct JobBuilder(Result<Job, BatchConfigError>);

impl Job {
    /// Starts a job of this name, whose work for the feature is done by the handler of the purpose.
    ///
    /// It calls the handler once per user, has medium priority and chunks of 25 users, and retries
    /// as often as the agent allows. One of [`JobBuilder::preference_based`] and
    /// [`JobBuilder::schedule`] must say when it runs.
    ///
    /// ```
    /// use cohort_preferences::{Job, Priority};
    ///
    /// let job = Job::builder("instagram", "instagram_generation", "instagram_posts")
    ///     .preference_based()
    ///     .priority(Priority::High)
    ///     .build()?;
    /// assert_eq!(job.feature_type.as_str(), "instagram_posts");
    /// # Ok::<(), cohort_preferences::BatchConfigError>(())
    /// ```
    pub fn builder(
        job_id: impl TryInto<JobId, Error: Into<IdError>>,
        purpose_id: impl TryInto<PurposeId, Error: Into<IdError>>,
        feature_type: impl TryInto<FeatureType, Error: Into<IdError>>,
    ) -> JobBuilder {
        let named = || {
            let job_id = named("job_id", job_id)?;
            let purpose_id = named("purpose_id", purpose_id)?;
            Ok(plain(job_id, purpose_id, named("feature_type", feature_type)?))
        };
        JobBuilder(named())
    }
}

fn named<T>(
    field: &'static str,
    name: impl TryInto<T, Error: Into<IdError>>,
) -> Result<T, BatchConfigError> {
    name.try_into().map_err(|error| BatchConfigError::Name { field, source: error.into() })
}

/// A job with the defaults of a batch config.
fn plain(job_id: JobId, purpose_id: PurposeId, feature_type: FeatureType) -> Job {
    Job {
        job_id,
        job_type: JobType::IndividualBatch,
        purpose_id,
        preference_based: false,
        feature_type,
        priority: Priority::default(),
        default_preferences: Preference::default(),
        enroll: Enroll::default(),
        schedule: None,
        filters: Filters::default(),
        chunk_size: MOST_USERS_A_CHUNK,
        retry_failed: true,
        max_retries: None,
        deadline: None,
        catchup_window: None,
        misfire: Misfire::default(),
        once_per: OncePer::default(),
        fair_share_by: None,
    }
}

impl JobBuilder {
    /// Returns the job. Fails if a name is invalid or fields contradict each other; the error names
    /// the field.
    pub fn build(self) -> Result<Job, BatchConfigError> {
        let job = self.0?;
        job.check()?;
        Ok(job)
    }

    /// Calls the handler once per user, or once per chunk.
    pub fn job_type(self, job_type: JobType) -> Self {
        self.with(|job| job.job_type = job_type)
    }

    /// Runs when users' preferences say.
    pub fn preference_based(self) -> Self {
        self.with(|job| job.preference_based = true)
    }

    /// Runs by this schedule, whatever users prefer.
    pub fn schedule(self, schedule: StaticSchedule) -> Self {
        self.with(|job| job.schedule = Some(schedule))
    }

    /// Serves only these tenants; for a job with a schedule.
    pub fn filters(self, filters: Filters) -> Self {
        self.with(|job| job.filters = filters)
    }

    /// Goes before jobs of lower priority when there is more work than capacity (D7).
    pub fn priority(self, priority: Priority) -> Self {
        self.with(|job| job.priority = priority)
    }

    /// What holds where a user states nothing (T12).
    pub fn default_preferences(self, defaults: Preference) -> Self {
        self.with(|job| job.default_preferences = defaults)
    }

    /// Also serves tenants who never stated a preference for the feature (T13).
    pub fn enroll(self, enroll: Enroll) -> Self {
        self.with(|job| job.enroll = enroll)
    }

    /// Users a chunk, 1 to 25 (D3).
    pub fn chunk_size(self, users: usize) -> Self {
        self.with(|job| job.chunk_size = users)
    }

    /// Attempts after the first (D4); zero tries nobody again.
    pub fn max_retries(self, retries: u32) -> Self {
        self.with(|job| job.max_retries = Some(retries))
    }

    /// How long after its instant an occurrence may still be worked on (D4, D7).
    pub fn deadline(self, deadline: SignedDuration) -> Self {
        self.with(|job| job.deadline = Some(deadline))
    }

    /// How long after its instant a missed occurrence is still fired (F1).
    pub fn catchup_window(self, window: SignedDuration) -> Self {
        self.with(|job| job.catchup_window = Some(window))
    }

    /// What becomes of missed occurrences (F1).
    pub fn misfire(self, misfire: Misfire) -> Self {
        self.with(|job| job.misfire = misfire)
    }

    /// How often the job may run one user whose group changed (M6).
    pub fn once_per(self, period: OncePer) -> Self {
        self.with(|job| job.once_per = period)
    }

    /// Shares the work out by this label of tenants (D7).
    pub fn fair_share_by(self, label: LabelName) -> Self {
        self.with(|job| job.fair_share_by = Some(label))
    }

    fn with(mut self, set: impl FnOnce(&mut Job)) -> Self {
        if let Ok(job) = &mut self.0 {
            set(job);
        }
        self
    }
}
