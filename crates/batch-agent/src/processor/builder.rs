//! Putting a processor together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cohort_preferences::{Job, JobId, JobType, PurposeId};
use tokio::sync::{Notify, Semaphore, watch};

use super::{EnhancedBatchProcessor, Inner, Purpose};
use crate::clock::{AgentClock, SystemClock};
use crate::handler::Handler;
use crate::ledger::Ledger;
use crate::scheduler::{NominalDates, Schedules, Watch};
use crate::source::PreferenceSource;

/// Users called and not yet answered at once, unless told otherwise (D3).
const DEFAULT_CONCURRENT_ITEMS: usize = 25;

/// Collects what a processor needs.
pub struct ProcessorBuilder {
    source: Arc<dyn PreferenceSource>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    handlers: HashMap<PurposeId, (Arc<dyn Handler>, Option<usize>)>,
    jobs: Vec<Job>,
    max_concurrent_items: usize,
    holder: String,
    horizon: Option<NominalDates>,
}

/// Why jobs and handlers do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A job's purpose has no handler.
    #[error("job {job_id}: no handler serves the purpose {purpose_id}: add it to \"purposes\" in the batch config")]
    NoHandler {
        /// Which job.
        job_id: JobId,
        /// Which purpose.
        purpose_id: PurposeId,
    },
    /// A chunk would never fit into the agent's hands (D3).
    #[error(
        "job {job_id}: chunk_size: expected at most {max_concurrent_items}, the most users that this agent calls at once, got {chunk_size}"
    )]
    ChunkTooLarge {
        /// Which job.
        job_id: JobId,
        /// What it asks for.
        chunk_size: usize,
        /// What there is.
        max_concurrent_items: usize,
    },
    /// A chunk that is one call would be more users at once than its purpose allows (D3).
    #[error(
        "job {job_id}: chunk_size: expected at most {max_concurrency}, the max_concurrency of the purpose {purpose_id}, got {chunk_size}"
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
}

impl EnhancedBatchProcessor {
    /// Begins to put together a processor that reads members from `source` and records in `ledger`.
    pub fn builder(source: impl PreferenceSource, ledger: impl Ledger + 'static) -> ProcessorBuilder {
        ProcessorBuilder {
            source: Arc::new(source),
            ledger: Arc::new(ledger),
            clock: Arc::new(SystemClock),
            handlers: HashMap::new(),
            jobs: Vec::new(),
            max_concurrent_items: DEFAULT_CONCURRENT_ITEMS,
            holder: "agent".into(),
            horizon: None,
        }
    }
}

impl ProcessorBuilder {
    /// Serves a purpose; its users are called as many at once as the agent allows.
    #[must_use]
    pub fn handler(self, purpose: PurposeId, handler: Arc<dyn Handler>) -> Self {
        self.limited_handler(purpose, handler, None)
    }

    /// Serves a purpose with at most `max_concurrency` users called at once (D3).
    #[must_use]
    pub fn limited_handler(mut self, purpose: PurposeId, handler: Arc<dyn Handler>, max_concurrency: Option<usize>) -> Self {
        self.handlers.insert(purpose, (handler, max_concurrency));
        self
    }

    /// The jobs that are scheduled and whose runs are processed.
    #[must_use]
    pub fn jobs(mut self, jobs: impl IntoIterator<Item = Job>) -> Self {
        self.jobs.extend(jobs);
        self
    }

    /// Another clock than the host's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn AgentClock>) -> Self {
        self.clock = clock;
        self
    }

    /// Users called and not yet answered at once (25 if not given).
    #[must_use]
    pub fn max_concurrent_items(mut self, users: usize) -> Self {
        self.max_concurrent_items = users.max(1);
        self
    }

    /// The agent's name in the ledger's claims; two agents that run at once need two.
    #[must_use]
    pub fn holder(mut self, name: impl Into<String>) -> Self {
        self.holder = name.into();
        self
    }

    /// Plans only occurrences whose nominal date lies within.
    #[must_use]
    pub fn horizon(mut self, dates: NominalDates) -> Self {
        self.horizon = Some(dates);
        self
    }

    /// The processor, if every job has a handler and fits.
    pub fn build(self) -> Result<EnhancedBatchProcessor, BuildError> {
        for job in &self.jobs {
            check(job, &self.handlers, self.max_concurrent_items)?;
        }
        let schedules = Arc::new(Schedules::new(self.horizon));
        let watch = Watch::new(Arc::clone(&self.source), Arc::clone(&self.clock), Arc::clone(&schedules));
        let most = self.max_concurrent_items;
        let purpose = |(handler, limit): (Arc<dyn Handler>, Option<usize>)| {
            let max_concurrency = limit.unwrap_or(most).max(1);
            Purpose { handler, calls: Arc::new(Semaphore::new(max_concurrency)), max_concurrency }
        };
        Ok(EnhancedBatchProcessor(Arc::new(Inner {
            source: self.source,
            ledger: self.ledger,
            clock: self.clock,
            schedules,
            watch,
            jobs: self.jobs.into_iter().map(|job| (job.job_id.clone(), Arc::new(job))).collect(),
            purposes: self.handlers.into_iter().map(|(id, handler)| (id, purpose(handler))).collect(),
            calls: Arc::new(Semaphore::new(most)),
            max_concurrent_items: most,
            holder: self.holder,
            in_work: Mutex::default(),
            stopping: watch::Sender::new(false),
            claiming: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
        })))
    }
}

fn check(
    job: &Job,
    handlers: &HashMap<PurposeId, (Arc<dyn Handler>, Option<usize>)>,
    max_concurrent_items: usize,
) -> Result<(), BuildError> {
    let (job_id, purpose_id, chunk_size) = (job.job_id.clone(), job.purpose_id.clone(), job.chunk_size);
    let Some((_, limit)) = handlers.get(&purpose_id) else {
        return Err(BuildError::NoHandler { job_id, purpose_id });
    };
    if chunk_size > max_concurrent_items {
        return Err(BuildError::ChunkTooLarge { job_id, chunk_size, max_concurrent_items });
    }
    match *limit {
        Some(max_concurrency) if job.job_type == JobType::BatchAsObject && chunk_size > max_concurrency => {
            Err(BuildError::ChunkOverPurpose { job_id, purpose_id, chunk_size, max_concurrency })
        }
        _ => Ok(()),
    }
}
