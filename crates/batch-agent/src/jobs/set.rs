//! The jobs in force with the handlers that do their work: a set that is replaced as a whole while
//! the processor runs.
//!
//! Work that was claimed keeps the job and the purpose that it was claimed with, so that a
//! replacement needs to wait for nobody. A purpose whose document stays keeps its handler and its
//! limits. A job that was removed plans nothing any more, but its open work is finished as its last
//! version says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_ledger::Pause;
use cohort_preferences::{
    BatchConfig, BatchConfigError, FeatureType, Job, JobId, Purpose as PurposeDocument, PurposeId,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::handler::{Handler, ServedPurpose};

/// All jobs in force.
#[derive(Default)]
pub(crate) struct JobSet {
    /// Those that are planned, by name.
    pub(super) planned: BTreeMap<JobId, Arc<JobInForce>>,
    /// Those that were removed, and whose open work is finished.
    pub(super) retired: BTreeMap<JobId, Arc<JobInForce>>,
    pub(super) purposes: HashMap<PurposeId, Arc<Purpose>>,
}

/// A job with all that is needed to plan it and to process its runs.
pub(crate) struct JobInForce {
    pub(crate) job: Arc<Job>,
    pub(crate) purpose: Arc<Purpose>,
    /// `None` for a job that the program itself brings along.
    pub(crate) stored: Option<StoredJob>,
}

/// What the ledger says of a job.
#[derive(Debug, Clone)]
pub(crate) struct StoredJob {
    pub(crate) version: u32,
    pub(crate) applied_at: Timestamp,
    pub(crate) pause: Option<Pause>,
}

/// How long a handler may be away, and how long it may ask to be left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long nothing may succeed before failed attempts use up retries (D12).
    pub(crate) max_outage: SignedDuration,
    /// The longest pause that the handler may ask for (D4).
    pub(crate) max_retry_after: SignedDuration,
}

/// A handler with its limit.
pub(crate) struct Purpose {
    pub(crate) handler: Arc<dyn Handler>,
    /// One permit a user who may be called for this purpose (D3).
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) max_concurrency: usize,
    pub(crate) patience: Patience,
    /// What the handler was made of; `None` for one that the program itself brings along.
    pub(super) stored: Option<StoredPurpose>,
}

/// What the ledger says of a purpose.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredPurpose {
    pub(crate) version: u32,
    pub(crate) document: Value,
}

impl JobSet {
    /// The jobs that are planned, by name.
    pub(crate) fn planned(&self) -> impl Iterator<Item = &Arc<JobInForce>> {
        self.planned.values()
    }

    /// Those planned that follow the preferences for a feature.
    pub(crate) fn following(
        &self,
        feature: &FeatureType,
    ) -> impl Iterator<Item = &Arc<JobInForce>> {
        self.planned()
            .filter(move |job| job.job.preference_based && job.job.feature_type == *feature)
    }

    /// A job that is planned.
    pub(crate) fn find_planned(&self, job: &JobId) -> Option<&Arc<JobInForce>> {
        self.planned.get(job)
    }

    /// A job whose runs can be processed, whether it is still planned or not.
    pub(crate) fn find(&self, job: &JobId) -> Option<&Arc<JobInForce>> {
        self.planned.get(job).or_else(|| self.retired.get(job))
    }
}

impl JobInForce {
    /// The stored version; `None` for a job that the program itself brings along.
    pub(crate) fn version(&self) -> Option<u32> {
        self.stored.as_ref().map(|stored| stored.version)
    }

    /// Since when this version is in force; [`Timestamp::MIN`] for a job that is not stored.
    pub(crate) fn applied_at(&self) -> Timestamp {
        self.stored.as_ref().map_or(Timestamp::MIN, |stored| stored.applied_at)
    }

    /// The last pause of the job; `None` if it was never paused.
    pub(crate) fn pause(&self) -> Option<Pause> {
        self.stored.as_ref().and_then(|stored| stored.pause)
    }
}

impl Purpose {
    /// A purpose served by a handler, which may call `most` users at once if it has no limit of its
    /// own.
    pub(super) fn new(
        served: ServedPurpose,
        most: usize,
        patience: Patience,
        stored: Option<StoredPurpose>,
    ) -> Arc<Self> {
        let max_concurrency = served.max_concurrency.unwrap_or(most).max(1);
        Arc::new(Self {
            handler: served.handler,
            calls: Arc::new(Semaphore::new(max_concurrency)),
            max_concurrency,
            patience,
            stored,
        })
    }

    /// The stored version; `None` for a purpose that the program itself brings along (D15).
    pub(crate) fn version(&self) -> Option<u32> {
        self.stored.as_ref().map(|stored| stored.version)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            max_outage: PurposeDocument::DEFAULT_MAX_OUTAGE,
            max_retry_after: PurposeDocument::DEFAULT_MAX_RETRY_AFTER,
        }
    }
}

impl Patience {
    /// What a purpose says in its document, or the defaults.
    pub(super) fn of(purpose: &PurposeDocument) -> Self {
        Self { max_outage: purpose.max_outage(), max_retry_after: purpose.max_retry_after() }
    }
}

/// The job that a stored document describes.
pub(crate) fn read_job(document: &Value) -> Result<Job, BatchConfigError> {
    let config = BatchConfig::from_json(&document.to_string())?;
    Ok(config.jobs.into_iter().next().expect("the document of a job holds one"))
}
