//! The jobs in force with the handlers that do their work: a set that is replaced as a whole while
//! the processor runs.
//!
//! Work that was claimed keeps the job and the purpose that it was claimed with, so that a
//! replacement needs to wait for nobody. A purpose whose document stays keeps its handler and its
//! limits. A job that was removed plans nothing any more, but its open work is finished as its last
//! version says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_preferences::{
    BatchConfig, BatchConfigError, FeatureType, IdError, Job, JobId, JobType,
    Purpose as PurposeDocument, PurposeId,
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::handler::{Handler, HandlerFactory, ServedPurpose};
use cohort_ledger::{Definition, DefinitionKind, Pause, StoredDefinitions};

/// Why a job or a purpose cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A handler was given for a purpose whose name cannot be one.
    #[error("the purpose of a handler")]
    PurposeName {
        /// Why not.
        source: IdError,
    },
    /// A job's purpose has no handler.
    #[error(
        "job {job_id}: no handler serves the purpose {purpose_id}: add it to \"purposes\" in the \
         batch config"
    )]
    NoHandler {
        /// Which job.
        job_id: JobId,
        /// Which purpose.
        purpose_id: PurposeId,
    },
    /// A chunk has more users than the agent may ever call at once (D3).
    #[error(
        "job {job_id}: chunk_size: expected at most {max_concurrent_items}, the most users that \
         this agent calls at once, got {chunk_size}"
    )]
    ChunkTooLarge {
        /// Which job.
        job_id: JobId,
        /// What the job asks for.
        chunk_size: usize,
        /// How many users this agent calls at once.
        max_concurrent_items: usize,
    },
    /// A chunk that is one call would be more users at once than its purpose allows (D3).
    #[error(
        "job {job_id}: chunk_size: expected at most {max_concurrency}, the max_concurrency of the \
         purpose {purpose_id}, got {chunk_size}"
    )]
    ChunkOverPurpose {
        /// Which job.
        job_id: JobId,
        /// Which purpose.
        purpose_id: PurposeId,
        /// What the job asks for.
        chunk_size: usize,
        /// What the purpose allows.
        max_concurrency: usize,
    },
    /// The handler that a purpose names cannot be had here.
    #[error("purpose {purpose_id}")]
    Purpose {
        /// Which purpose.
        purpose_id: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored job is not understood, perhaps because a newer version of the program has applied
    /// it.
    #[error("job {job_id}")]
    Job {
        /// Which job.
        job_id: String,
        /// What is not understood.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// All jobs in force.
#[derive(Default)]
pub(crate) struct JobSet {
    /// Those that are planned, by name.
    planned: BTreeMap<JobId, Arc<JobInForce>>,
    /// Those that were removed, and whose open work is finished.
    retired: BTreeMap<JobId, Arc<JobInForce>>,
    purposes: HashMap<PurposeId, Arc<Purpose>>,
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

/// A handler with its limit.
pub(crate) struct Purpose {
    pub(crate) handler: Arc<dyn Handler>,
    /// One permit a user who may be called for this purpose (D3).
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) max_concurrency: usize,
    /// What the handler was made of; `None` for one that the program itself brings along.
    document: Option<Value>,
}

/// Everything needed to make a set of jobs from what is stored.
pub struct Serving {
    /// What makes the handlers of stored purposes; `None` if stored jobs and purposes are not
    /// followed.
    pub(crate) factory: Option<Arc<dyn HandlerFactory>>,
    pub(crate) max_concurrent_items: usize,
    /// Attempts after the first for jobs that do not say; their own default if `None`.
    retry_limit: Option<u32>,
    /// The jobs and purposes that the program itself brings along.
    own: JobSet,
}

impl JobSet {
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

    pub(crate) fn find_planned(&self, job: &JobId) -> Option<&Arc<JobInForce>> {
        self.planned.get(job)
    }

    /// A job whose runs can be processed, whether it is still planned or not.
    pub(crate) fn find(&self, job: &JobId) -> Option<&Arc<JobInForce>> {
        self.planned.get(job).or_else(|| self.retired.get(job))
    }
}

impl JobInForce {
    pub(crate) fn version(&self) -> Option<u32> {
        self.stored.as_ref().map(|stored| stored.version)
    }

    /// Since when this version is in force; [`Timestamp::MIN`] for a job that is not stored.
    pub(crate) fn applied_at(&self) -> Timestamp {
        self.stored.as_ref().map_or(Timestamp::MIN, |stored| stored.applied_at)
    }

    pub(crate) fn pause(&self) -> Option<Pause> {
        self.stored.as_ref().and_then(|stored| stored.pause)
    }
}

impl Purpose {
    fn new(served: ServedPurpose, most: usize, document: Option<Value>) -> Arc<Self> {
        let max_concurrency = served.max_concurrency.unwrap_or(most).max(1);
        Arc::new(Self {
            handler: served.handler,
            calls: Arc::new(Semaphore::new(max_concurrency)),
            max_concurrency,
            document,
        })
    }
}

impl Serving {
    /// What an agent serves that may call so many users at once, and has no jobs and purposes of
    /// its own.
    pub fn new(factory: Arc<dyn HandlerFactory>, max_concurrent_items: usize) -> Self {
        Self {
            factory: Some(factory),
            max_concurrent_items,
            retry_limit: None,
            own: JobSet::default(),
        }
    }

    /// The same for an agent whose program brings jobs and purposes along.
    pub(crate) fn with_own(
        factory: Option<Arc<dyn HandlerFactory>>,
        max_concurrent_items: usize,
        handlers: HashMap<PurposeId, ServedPurpose>,
        jobs: Vec<Job>,
    ) -> Result<Self, BuildError> {
        let purpose = |(id, served)| (id, Purpose::new(served, max_concurrent_items, None));
        let purposes: HashMap<_, _> = handlers.into_iter().map(purpose).collect();
        let mut planned = BTreeMap::new();
        for job in jobs {
            let purpose = check(&job, &purposes, max_concurrent_items)?;
            planned.insert(
                job.job_id.clone(),
                Arc::new(JobInForce { job: Arc::new(job), purpose, stored: None }),
            );
        }
        Ok(Self {
            factory,
            max_concurrent_items,
            retry_limit: None,
            own: JobSet { planned, retired: BTreeMap::new(), purposes },
        })
    }

    /// The same, with this many attempts after the first for stored jobs that do not say how many
    /// (D4).
    pub(crate) fn with_retry_limit(self, retry_limit: Option<u32>) -> Self {
        Self { retry_limit, ..self }
    }

    /// Whether stored jobs and purposes are followed.
    pub(super) fn follows_stored(&self) -> bool {
        self.factory.is_some()
    }

    /// The jobs that the program itself brings along.
    pub(super) fn own(&self) -> JobSet {
        JobSet {
            planned: self.own.planned.clone(),
            retired: BTreeMap::new(),
            purposes: self.own.purposes.clone(),
        }
    }

    /// The set that is stored, over the program's own, and why what was left out cannot be served.
    /// `retired` are the last documents of removed jobs with open work, and of the purposes that
    /// they name. A purpose that `earlier` has with the same document is taken over.
    pub(crate) fn serve(
        &self,
        stored: &StoredDefinitions,
        retired: &[Definition],
        earlier: &JobSet,
    ) -> (JobSet, Vec<BuildError>) {
        let mut set = self.own();
        let mut unserved = Vec::new();
        for definition in of_kind(&stored.latest, DefinitionKind::Purpose) {
            match self.purpose(definition, earlier) {
                Ok(purpose) => set.purposes.extend(purpose),
                Err(error) => unserved.push(error),
            }
        }
        for definition in of_kind(&stored.latest, DefinitionKind::Job) {
            match self.job(definition, &set.purposes, stored) {
                Ok(job) => set.planned.extend(job),
                Err(error) => unserved.push(error),
            }
        }
        let mut purposes = set.purposes.clone();
        for definition in of_kind(retired, DefinitionKind::Purpose) {
            match self.purpose(definition, earlier) {
                Ok(purpose) => purposes.extend(purpose),
                Err(error) => unserved.push(error),
            }
        }
        for definition in of_kind(retired, DefinitionKind::Job) {
            match self.job(definition, &purposes, stored) {
                Ok(job) => set.retired.extend(job),
                Err(error) => unserved.push(error),
            }
        }
        (set, unserved)
    }

    /// The purpose of a definition; `None` if it was removed.
    fn purpose(
        &self,
        definition: &Definition,
        earlier: &JobSet,
    ) -> Result<Option<(PurposeId, Arc<Purpose>)>, BuildError> {
        let failed = |source| BuildError::Purpose { purpose_id: definition.name.clone(), source };
        let Some(document) = &definition.document else { return Ok(None) };
        let id: PurposeId = definition.name.parse().map_err(|error| failed(Box::new(error)))?;
        if let Some(known) =
            earlier.purposes.get(&id).filter(|known| known.document.as_ref() == Some(document))
        {
            return Ok(Some((id, Arc::clone(known))));
        }
        let purpose: PurposeDocument =
            serde_json::from_value(document.clone()).map_err(|error| failed(Box::new(error)))?;
        let Some(factory) = &self.factory else { return Ok(None) };
        let served = factory.make(&purpose).map_err(failed)?;
        Ok(Some((id, Purpose::new(served, self.max_concurrent_items, Some(document.clone())))))
    }

    /// The job of a definition; `None` if it was removed.
    fn job(
        &self,
        definition: &Definition,
        purposes: &HashMap<PurposeId, Arc<Purpose>>,
        stored: &StoredDefinitions,
    ) -> Result<Option<(JobId, Arc<JobInForce>)>, BuildError> {
        let Some(document) = &definition.document else { return Ok(None) };
        let job = read_job(document).map_err(|source| BuildError::Job {
            job_id: definition.name.clone(),
            source: Box::new(source),
        })?;
        let job = self.retry_limit.into_iter().fold(job, Job::or_max_retries);
        let purpose = check(&job, purposes, self.max_concurrent_items)?;
        let job_id = job.job_id.clone();
        let pause = stored.pauses.get(&job_id).copied();
        let stored =
            StoredJob { version: definition.version, applied_at: definition.applied_at, pause };
        Ok(Some((
            job_id,
            Arc::new(JobInForce { job: Arc::new(job), purpose, stored: Some(stored) }),
        )))
    }
}

fn of_kind(definitions: &[Definition], kind: DefinitionKind) -> impl Iterator<Item = &Definition> {
    definitions.iter().filter(move |definition| definition.kind == kind)
}

/// The job that a stored document describes.
pub(crate) fn read_job(document: &Value) -> Result<Job, BatchConfigError> {
    let config = BatchConfig::from_json(&document.to_string())?;
    Ok(config.jobs.into_iter().next().expect("the document of a job holds one"))
}

/// The purpose that serves a job, if the job fits.
fn check(
    job: &Job,
    purposes: &HashMap<PurposeId, Arc<Purpose>>,
    max_concurrent_items: usize,
) -> Result<Arc<Purpose>, BuildError> {
    let (job_id, purpose_id, chunk_size) =
        (job.job_id.clone(), job.purpose_id.clone(), job.chunk_size);
    let Some(purpose) = purposes.get(&purpose_id) else {
        return Err(BuildError::NoHandler { job_id, purpose_id });
    };
    if chunk_size > max_concurrent_items {
        return Err(BuildError::ChunkTooLarge { job_id, chunk_size, max_concurrent_items });
    }
    let max_concurrency = purpose.max_concurrency;
    if job.job_type == JobType::BatchAsObject && chunk_size > max_concurrency {
        return Err(BuildError::ChunkOverPurpose {
            job_id,
            purpose_id,
            chunk_size,
            max_concurrency,
        });
    }
    Ok(Arc::clone(purpose))
}
