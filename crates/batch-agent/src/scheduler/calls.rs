//! The calls that the specification names.

use cohort_preferences::{
    FeatureType, Frequency, FrequencyError, GroupList, IdError, TimeKey, TimeKeyError,
};

use super::argument::{NoGroup, NotServed, read, read_group};
use super::{DynamicBatchScheduler, ScheduleError};
use crate::jobs::JobInForce;

impl DynamicBatchScheduler {
    /// Puts the stored jobs in force, reads the groups of every job and makes their schedules. To
    /// be called once, before anything else.
    pub async fn initialize_dynamic_schedules(&self) -> Result<(), ScheduleError> {
        self.renew().await?;
        self.load_jobs().await?;
        self.resynchronize().await
    }

    /// Reads the groups of a feature anew, for every job that follows its preferences.
    ///
    /// # Errors
    /// [`ScheduleError::NotServed`] if no job does.
    pub async fn refresh_feature_schedules(
        &self,
        feature_type: impl TryInto<FeatureType, Error: Into<IdError>>,
    ) -> Result<(), ScheduleError> {
        let feature_type = read("feature_type", feature_type)?;
        let set = self.jobs.in_force();
        let mut is_served = false;
        for job in set.following(&feature_type) {
            is_served = true;
            self.load(job).await?;
        }
        if is_served { Ok(()) } else { Err(NotServed { feature_type }.into()) }
    }

    /// Reads one group of a feature, in every zone, and makes or corrects its schedules for every
    /// job that follows the feature's preferences.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     scheduler: cohort_batch_agent::DynamicBatchScheduler,
    /// # ) -> Result<(), cohort_batch_agent::ScheduleError> {
    /// scheduler.schedule_preference_group("instagram_posts", "weekly", "monday:10:00").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ScheduleError::NotServed`] if no job follows them; [`ScheduleError::NoGroup`] if nobody
    /// has asked for this, neither by their own preference nor by the defaults of such a job.
    pub async fn schedule_preference_group(
        &self,
        feature_type: impl TryInto<FeatureType, Error: Into<IdError>>,
        frequency: impl TryInto<Frequency, Error: Into<FrequencyError>>,
        time_key: impl TryInto<TimeKey, Error: Into<TimeKeyError>>,
    ) -> Result<(), ScheduleError> {
        let (feature_type, frequency, time_key) = read_group(feature_type, frequency, time_key)?;
        let set = self.jobs.in_force();
        let jobs = set.following(&feature_type).collect::<Vec<_>>();
        if jobs.is_empty() {
            return Err(NotServed { feature_type }.into());
        }
        let list = self.source.groups(&feature_type).await?;
        let mut is_known = false;
        for job in jobs {
            is_known |= self.schedule_group(job, &list, (frequency, time_key)).await?;
        }
        if is_known { Ok(()) } else { Err(NoGroup { feature_type, frequency, time_key }.into()) }
    }

    /// Learns of one group of a job in a list. Returns whether the list has it.
    async fn schedule_group(
        &self,
        job: &JobInForce,
        list: &GroupList,
        (frequency, time_key): (Frequency, TimeKey),
    ) -> Result<bool, ScheduleError> {
        let job_id = &job.job.job_id;
        if !self.schedules.are_of(job_id, job.version()) {
            self.load(job).await?;
        }
        let mut is_known = false;
        for summary in &list.groups {
            let is_stated = summary.group.frequency() == Some(frequency)
                && summary.group.time_key() == time_key;
            if is_stated || self.schedules.completes_to(job_id, &summary.group, frequency, time_key)
            {
                is_known = true;
                self.schedules.learn(job_id, summary).map_err(|source| {
                    ScheduleError::Unresolved { job_id: job_id.clone(), source }
                })?;
            }
        }
        Ok(is_known)
    }
}
