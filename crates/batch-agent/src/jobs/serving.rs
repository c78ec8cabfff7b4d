//! Making a set of jobs from what is stored, with the handlers that this agent can have.
//!
//! What cannot be served, perhaps because a newer program has applied it, is left out and named.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_ledger::{Definition, DefinitionKind, StoredDefinitions};
use cohort_preferences::{Job, JobId, JobType, Purpose as PurposeDocument, PurposeId};

use super::error::BuildError;
use super::set::{JobInForce, JobSet, Patience, Purpose, StoredJob, StoredPurpose, read_job};
use crate::handler::{HandlerFactory, ServedPurpose};

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
        patience: Patience,
        handlers: HashMap<PurposeId, ServedPurpose>,
        jobs: Vec<Job>,
    ) -> Result<Self, BuildError> {
        let purpose =
            |(id, served)| (id, Purpose::new(served, max_concurrent_items, patience, None));
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
    /// they name. A purpose that `earlier` has with the same version and document is taken over.
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
        let stored =
            Some(StoredPurpose { version: definition.version, document: document.clone() });
        if let Some(known) = earlier.purposes.get(&id).filter(|known| known.stored == stored) {
            return Ok(Some((id, Arc::clone(known))));
        }
        let purpose: PurposeDocument =
            serde_json::from_value(document.clone()).map_err(|error| failed(Box::new(error)))?;
        let Some(factory) = &self.factory else { return Ok(None) };
        let served = factory.make(&purpose).map_err(failed)?;
        let patience = Patience::of(&purpose);
        Ok(Some((id, Purpose::new(served, self.max_concurrent_items, patience, stored))))
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
