//! The jobs and purposes of one batch config.

use std::collections::BTreeMap;

use super::error::BatchConfigError;
use super::job::Job;
use super::purpose::Purpose;
use crate::id::{IdError, PurposeId};

/// All jobs and purposes of one file, or of a program.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BatchConfig {
    /// The jobs, in the order of the file.
    pub jobs: Vec<Job>,
    /// The purposes by name. A job may name one that is not here: a program adds handlers of its
    /// own.
    pub purposes: BTreeMap<PurposeId, Purpose>,
}

/// A batch config under construction; see [`BatchConfig::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct BatchConfigBuilder(Result<BatchConfig, BatchConfigError>);

impl BatchConfig {
    /// Starts a batch config without jobs and purposes.
    pub fn builder() -> BatchConfigBuilder {
        BatchConfigBuilder(Ok(Self::default()))
    }

    pub(super) fn check(&self) -> Result<(), BatchConfigError> {
        for (index, job) in self.jobs.iter().enumerate() {
            job.check()?;
            if self.jobs[..index].iter().any(|other| other.job_id == job.job_id) {
                return Err(job.error("job_id", "another job has the same name"));
            }
        }
        Ok(())
    }
}

impl BatchConfigBuilder {
    /// Adds a job.
    pub fn job(mut self, job: Job) -> Self {
        if let Ok(config) = &mut self.0 {
            config.jobs.push(job);
        }
        self
    }

    /// Adds a purpose, or replaces the one of this name.
    pub fn purpose(
        self,
        name: impl TryInto<PurposeId, Error: Into<IdError>>,
        purpose: Purpose,
    ) -> Self {
        let add = |mut config: BatchConfig| match name.try_into() {
            Ok(name) => {
                config.purposes.insert(name, purpose);
                Ok(config)
            }
            Err(error) => Err(BatchConfigError::Name { field: "purposes", source: error.into() }),
        };
        Self(self.0.and_then(add))
    }

    /// Returns the batch config. Fails if a name is invalid, the fields of a job contradict each
    /// other, or two jobs have one name.
    pub fn build(self) -> Result<BatchConfig, BatchConfigError> {
        let config = self.0?;
        config.check()?;
        Ok(config)
    }
}
