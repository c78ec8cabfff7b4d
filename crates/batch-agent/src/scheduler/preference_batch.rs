//! `process_user_preference_batch`: a manual run of everybody who asked for one frequency and time,
//! as the specification names it.
//!
//! ```text
//! feature ─► jobs that follow its preferences
//!              └─► their groups of this frequency and time key, in every zone ─► a run each
//! ```
//!
//! All of these runs have one name and one instant, as those of a trigger (D1): they move no
//! watermark and count for no date (M6). The caller needs neither a scheduler nor the processor's
//! loops at work: what is missing is done here.

use std::time::Duration;

use cohort_ledger::{
    Counts, Firing, FiringName, LedgerError, NewRun, Plan, Run, RunId, RunState, Watermark,
};
use cohort_preferences::{FeatureType, Frequency, FrequencyError, IdError, TimeKey, TimeKeyError};
use futures_util::future;
use jiff::SignedDuration;
use tokio::task::JoinSet;

use super::argument::{ArgumentError, NoGroup, NotServed, read_group};
use super::{DynamicBatchScheduler, ScheduleError};
use crate::clock::saturating_add;
use crate::jobs::JobInForce;
use crate::processor::EnhancedBatchProcessor;
use crate::shared::Shared;

/// How often a run is looked at that another agent may have closed.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// The period of a scheduler that only reads the groups once.
const NEVER_AGAIN: Duration = Duration::from_hours(24);

/// The runs that one call has opened.
#[derive(Clone)]
#[must_use = "nothing is called before the runs are processed: await `finished`, or let the \
    processor's `run` do it"]
pub struct PreferenceBatch {
    processor: EnhancedBatchProcessor,
    name: FiringName,
    runs: Vec<RunId>,
}

/// Why users could not be processed as a batch.
#[derive(Debug, thiserror::Error)]
pub enum PreferenceBatchError {
    /// A text names no feature, frequency or time key.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// No job serves the preferences for the feature.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// Nobody has asked for this.
    #[error(transparent)]
    NoGroup(#[from] NoGroup),
    /// The groups could not be read.
    #[error("reading the groups")]
    Schedule(#[from] Box<ScheduleError>),
    /// The runs could not be opened.
    #[error("opening the runs")]
    Ledger(#[from] LedgerError),
}

impl EnhancedBatchProcessor {
    /// Opens runs, now, of everybody who asked for this frequency and time key, in every zone and
    /// for every job of the feature.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     processor: cohort_batch_agent::EnhancedBatchProcessor,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let batch =
    ///     processor.process_user_preference_batch("instagram_posts", "daily", "09:00").await?;
    /// for run in batch.finished().await? {
    ///     let counts = run.counts;
    ///     println!("{}: {} succeeded, {} failed", run.group, counts.succeeded, counts.failed);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If nobody serves the feature or has asked for this; if groups cannot be read or runs not be
    /// opened. Runs of other jobs may have been opened by then, and are processed.
    pub async fn process_user_preference_batch(
        &self,
        feature_type: impl TryInto<FeatureType, Error: Into<IdError>>,
        frequency: impl TryInto<Frequency, Error: Into<FrequencyError>>,
        time_key: impl TryInto<TimeKey, Error: Into<TimeKeyError>>,
    ) -> Result<PreferenceBatch, PreferenceBatchError> {
        let (feature_type, frequency, time_key) = read_group(feature_type, frequency, time_key)?;
        self.know_the_groups().await?;
        let set = self.jobs().in_force();
        let firing = Firing::triggered(self.shared().clock.now());
        let (mut is_served, mut opened) = (false, Vec::new());
        for in_force in set.following(&feature_type) {
            is_served = true;
            let mut runs = self.runs_of(in_force, firing);
            runs.retain(|run| {
                run.group.frequency() == frequency && run.group.time_key() == time_key
            });
            opened.extend(self.open_batch(in_force, firing, runs).await?);
        }
        if !is_served {
            return Err(NotServed { feature_type }.into());
        }
        if opened.is_empty() {
            return Err(NoGroup { feature_type, frequency, time_key }.into());
        }
        Ok(PreferenceBatch { processor: self.clone(), name: firing.nominal, runs: opened })
    }

    async fn open_batch(
        &self,
        in_force: &JobInForce,
        firing: Firing,
        runs: Vec<NewRun>,
    ) -> Result<Vec<RunId>, LedgerError> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let job = &in_force.job.job_id;
        let known = self.shared().ledger.ensure_job(job, firing.at).await?;
        let watermark = Watermark { replan_from: None, ..known };
        self.process_occurrences(job, Plan { watermark, runs, tzdb: None }).await
    }

    /// Reads the groups if no scheduler has, or else hears of the latest changes.
    async fn know_the_groups(&self) -> Result<(), PreferenceBatchError> {
        if !self.feed().is_following() {
            let scheduler = DynamicBatchScheduler::new(self.clone(), NEVER_AGAIN);
            return scheduler
                .initialize_dynamic_schedules()
                .await
                .map_err(|error| PreferenceBatchError::Schedule(Box::new(error)));
        }
        self.hear_of_changes().await;
        Ok(())
    }

    /// Claims and processes until `done`; then finishes what is in hand, and leaves the rest as it
    /// is.
    async fn work_until(
        &self,
        done: impl Future<Output = Result<(), LedgerError>>,
    ) -> Result<(), LedgerError> {
        let mut in_hand = JoinSet::new();
        let ended = tokio::select! {
            biased;
            ended = done => ended,
            () = self.renew_forever() => unreachable!("claims are renewed for ever"),
            () = self.claim_forever(&mut in_hand) => unreachable!("work is claimed for ever"),
        };
        tokio::select! {
            biased;
            () = async { while in_hand.join_next().await.is_some() {} } => {}
            () = self.renew_forever() => {}
        }
        ended
    }
}

impl PreferenceBatch {
    /// The name of the runs, which is part of their users' keys (D1).
    pub fn name(&self) -> FiringName {
        self.name
    }

    /// The runs, one for each group and job.
    pub fn runs(&self) -> &[RunId] {
        &self.runs
    }

    /// How many members of all runs have ended how, so far.
    pub async fn counts(&self) -> Result<Counts, LedgerError> {
        let runs = self.read().await?;
        Ok(runs.into_iter().fold(Counts::default(), |sum, run| sum.with(run.counts)))
    }

    /// The runs, once each of their members has an outcome. While the processor's `run` is not at
    /// work, this processes them, and whatever else is open.
    pub async fn finished(&self) -> Result<Vec<Run>, LedgerError> {
        if self.processor.is_at_work() {
            self.until_closed().await?;
        } else {
            self.processor.work_until(self.until_closed()).await?;
        }
        self.read().await
    }

    async fn until_closed(&self) -> Result<(), LedgerError> {
        let Shared { ledger, clock, .. } = self.processor.shared();
        let mut recorded = ledger.recorded();
        loop {
            let runs = self.read().await?;
            if runs.iter().all(|run| run.state == RunState::Closed) {
                return Ok(());
            }
            let look_at = saturating_add(clock.now(), LOOK_EVERY);
            future::select(Box::pin(recorded.changed()), clock.sleep_until(look_at)).await;
        }
    }

    async fn read(&self) -> Result<Vec<Run>, LedgerError> {
        let ledger = self.processor.shared().ledger;
        let mut runs = Vec::with_capacity(self.runs.len());
        for id in &self.runs {
            let run = ledger.run(*id).await?;
            runs.push(run.ok_or_else(|| LedgerError::Corrupt(format!("the run {id} is gone")))?);
        }
        Ok(runs)
    }
}
