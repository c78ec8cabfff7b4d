//! A job as it is written.

use jiff::SignedDuration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::choices::{Enroll, JobType, Misfire, OncePer, Priority};
use super::field::{given, preference};
use super::job::{Job, MOST_USERS_A_CHUNK};
use crate::duration::deserialize_duration;
use crate::id::{FeatureType, JobId, PurposeId};
use crate::labels::LabelName;
use crate::preference::Preference;
use crate::static_job::{Filters, StaticSchedule};

/// A job whose fields are read, but not yet checked against each other.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct UncheckedJob(#[serde(with = "JobDocument")] pub(super) Job);

/// The fields of [`Job`], and what holds where one is left out.
#[derive(Deserialize)]
#[serde(remote = "Job", deny_unknown_fields)]
struct JobDocument {
    job_id: JobId,
    #[serde(rename = "type")]
    job_type: JobType,
    purpose_id: PurposeId,
    #[serde(default)]
    preference_based: bool,
    feature_type: FeatureType,
    #[serde(default)]
    priority: Priority,
    #[serde(default, deserialize_with = "preference")]
    default_preferences: Preference,
    #[serde(default)]
    enroll: Enroll,
    #[serde(default, deserialize_with = "given")]
    schedule: Option<StaticSchedule>,
    #[serde(default)]
    filters: Filters,
    #[serde(default = "default_chunk_size")]
    chunk_size: usize,
    #[serde(default = "yes")]
    retry_failed: bool,
    #[serde(default, deserialize_with = "given")]
    max_retries: Option<u32>,
    #[serde(default, deserialize_with = "deserialize_duration")]
    deadline: Option<SignedDuration>,
    #[serde(default, deserialize_with = "deserialize_duration")]
    catchup_window: Option<SignedDuration>,
    #[serde(default)]
    misfire: Misfire,
    #[serde(default)]
    once_per: OncePer,
    #[serde(default, deserialize_with = "given")]
    fair_share_by: Option<LabelName>,
}

fn default_chunk_size() -> usize {
    MOST_USERS_A_CHUNK
}

fn yes() -> bool {
    true
}

impl<'de> Deserialize<'de> for Job {
    /// Reads a job and checks it: fields that contradict each other are an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let UncheckedJob(job) = UncheckedJob::deserialize(deserializer)?;
        job.check().map_err(D::Error::custom)?;
        Ok(job)
    }
}
