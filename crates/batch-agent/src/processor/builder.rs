//! Putting a processor together.

use std::collections::HashMap;
use std::sync::Arc;

use cohort_preferences::{IdError, Job, PurposeId};
use jiff::SignedDuration;

use super::EnhancedBatchProcessor;
use crate::clock::{AgentClock, SystemClock};
use crate::handler::{Handler, HandlerFactory, ServedPurpose};
use crate::jobs::{BuildError, Jobs, Patience, Serving};
use crate::own_faults::OwnFaults;
use crate::recovery::RecoveryGate;
use crate::schedules::{ChangeFeed, NominalDates, Schedules};
use crate::shared::Shared;
use crate::source::PreferenceSource;
use cohort_ledger::{Ledger, TzdbRelease};

/// Users called and not yet answered at once, unless told otherwise (D3).
const DEFAULT_CONCURRENT_ITEMS: usize = 25;

/// Collects what a processor needs.
pub struct ProcessorBuilder {
    source: Arc<dyn PreferenceSource>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    handlers: HashMap<PurposeId, ServedPurpose>,
    factory: Option<Arc<dyn HandlerFactory>>,
    jobs: Vec<Job>,
    max_concurrent_items: usize,
    retry_limit: Option<u32>,
    patience: Patience,
    holder: String,
    tzdb: TzdbRelease,
    horizon: Option<NominalDates>,
    /// The first name that cannot be one.
    invalid: Option<IdError>,
}

impl EnhancedBatchProcessor {
    /// Begins to put together a processor that reads members from `source` and records in `ledger`.
    pub fn builder(
        source: impl PreferenceSource,
        ledger: impl Into<Arc<dyn Ledger>>,
    ) -> ProcessorBuilder {
        ProcessorBuilder {
            source: Arc::new(source),
            ledger: ledger.into(),
            clock: Arc::new(SystemClock),
            handlers: HashMap::new(),
            factory: None,
            jobs: Vec::new(),
            max_concurrent_items: DEFAULT_CONCURRENT_ITEMS,
            retry_limit: None,
            patience: Patience::default(),
            holder: "agent".into(),
            tzdb: TzdbRelease::bundled(),
            horizon: None,
            invalid: None,
        }
    }
}

impl ProcessorBuilder {
    /// Serves a purpose, by its name or its id; its users are called as many at once as the agent
    /// allows. A name that cannot be one is an error of [`ProcessorBuilder::build`].
    #[must_use]
    pub fn handler(
        self,
        purpose: impl TryInto<PurposeId, Error: Into<IdError>>,
        handler: Arc<dyn Handler>,
    ) -> Self {
        self.limited_handler(purpose, handler, None)
    }

    /// Serves a purpose with at most `max_concurrency` users called at once (D3).
    #[must_use]
    pub fn limited_handler(
        mut self,
        purpose: impl TryInto<PurposeId, Error: Into<IdError>>,
        handler: Arc<dyn Handler>,
        max_concurrency: Option<usize>,
    ) -> Self {
        match purpose.try_into() {
            Ok(purpose) => {
                self.handlers.insert(purpose, ServedPurpose { handler, max_concurrency });
            }
            Err(error) => self.invalid = self.invalid.or(Some(error.into())),
        }
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

    /// Attempts after the first for jobs that do not say how many (3 if not given, D4).
    #[must_use]
    pub fn retry_limit(mut self, retries: u32) -> Self {
        self.retry_limit = Some(retries);
        self
    }

    /// How long nothing of one of the program's own purposes may succeed before failed attempts use
    /// up retries (24 h if not given, D12).
    #[must_use]
    pub fn max_outage(mut self, outage: SignedDuration) -> Self {
        self.patience.max_outage = outage;
        self
    }

    /// The longest pause that the program's own handlers may ask for (15 min if not given, D4).
    #[must_use]
    pub fn max_retry_after(mut self, pause: SignedDuration) -> Self {
        self.patience.max_retry_after = pause;
        self
    }

    /// The agent's name in the ledger's claims; two agents that run at once need two.
    #[must_use]
    pub fn holder(mut self, name: impl Into<String>) -> Self {
        self.holder = name.into();
        self
    }

    /// Another name for the time zone database than that of the bundled release (T11).
    #[must_use]
    pub fn time_zone_database(mut self, release: TzdbRelease) -> Self {
        self.tzdb = release;
        self
    }

    /// Plans only occurrences whose nominal date lies within.
    #[must_use]
    pub fn horizon(mut self, dates: NominalDates) -> Self {
        self.horizon = Some(dates);
        self
    }

    /// Follows the jobs and purposes that the ledger keeps, besides those of the program: one that
    /// is applied while the processor runs takes effect without a restart. `factory` makes their
    /// handlers.
    #[must_use]
    pub fn stored_jobs(mut self, factory: Arc<dyn HandlerFactory>) -> Self {
        self.factory = Some(factory);
        self
    }

    /// The processor, if every job has a handler and fits.
    pub fn build(self) -> Result<EnhancedBatchProcessor, BuildError> {
        if let Some(source) = self.invalid {
            return Err(BuildError::PurposeName { source });
        }
        let limited = |job| self.retry_limit.into_iter().fold(job, Job::or_max_retries);
        let jobs = self.jobs.into_iter().map(limited).collect();
        let serving = Serving::with_own(
            self.factory,
            self.max_concurrent_items,
            self.patience,
            self.handlers,
            jobs,
        )?
        .with_retry_limit(self.retry_limit);
        let schedules = Arc::new(Schedules::new(self.horizon));
        let feed = Arc::new(ChangeFeed::new(
            Arc::clone(&self.source),
            Arc::clone(&self.clock),
            Arc::clone(&schedules),
        ));
        let jobs = Jobs::new(Arc::clone(&self.ledger), serving);
        let own_faults = Arc::new(OwnFaults::new(Arc::clone(&self.clock)));
        let condition = Arc::default();
        let recovery = RecoveryGate::new(Arc::clone(&self.ledger), Arc::clone(&condition));
        let shared = Shared {
            source: self.source,
            ledger: self.ledger,
            clock: self.clock,
            jobs,
            schedules,
            feed,
            condition,
            own_faults,
            recovery: Arc::new(recovery),
        };
        let (name, calls) = (&self.holder, self.max_concurrent_items);
        Ok(EnhancedBatchProcessor::new(shared, name, self.tzdb, calls))
    }
}
