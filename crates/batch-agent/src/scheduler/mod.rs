//! `DynamicBatchScheduler`: keeps one schedule a preference group, and opens a run when one is due.
//!
//! ```text
//! groups + defaults ─► schedules ◄── change feed (watch)
//!                         │ due up to now
//!                         ▼
//!                  plan: fire or missed ─► ledger: runs and mark, one transaction ─► processor
//! ```
//!
//! There is no leader: each agent plans everything, and the ledger's unique key lets one of them
//! open each run (F3). The mark says up to when everything is planned; it moves in the same
//! transaction as the runs, so that a crash loses neither (F1). What may fail: the Config Database,
//! then the schedules known go on (F4), also where it suddenly names no group (`doubt`, M8); the
//! ledger, then nothing is planned and the same stretch is planned again later (F5).
//!
//! Agents with different time zone databases do not plan at once (`tzdb`, T11).
//!
//! Simulated time drives this very code: [`DynamicBatchScheduler::run_simulated_until`] moves the
//! clock from one instant at which something is to do to the next.

mod account;
mod adopt;
mod defaults;
mod doubt;
mod erasure;
mod job_schedules;
mod plan;
mod retention;
mod scheduled;
mod schedules;
mod tzdb;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use cohort_preferences::{Enroll, FeatureType, Frequency, JobId, TimeKey, UnresolvedGroup};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch::Receiver;
use tokio::sync::{Mutex, Notify};

pub(crate) use self::defaults::{DefaultsInTime, Stretch};
use self::job_schedules::Due;
pub(crate) use self::plan::ON_TIME;
use self::plan::Verdict;
pub(crate) use self::scheduled::Parts;
use self::schedules::Named;
pub use self::schedules::{NominalDates, ScheduleKey, ScheduleView};
pub(crate) use self::schedules::{PartsUnknown, Schedules};
use self::tzdb::Standing;
pub(crate) use self::watch::{Seen, Touched, Watch};
use crate::clock::{AgentClock, SimulatedClock};
use crate::ledger::{Ledger, LedgerError, LedgerRetention, Mark, NewRun, Plan};
use crate::processor::{BuildError, EnhancedBatchProcessor, GroupAt, JobInForce, ProcessError};
use crate::source::{PreferenceSource, SourceError};

/// How long to wait before asking again what failed.
const PAUSE_AFTER_FAULT: SignedDuration = SignedDuration::from_secs(1);

/// The longest wait without looking at the clock and the schedules (F2).
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);

/// Why scheduling could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The Config Database did not answer.
    #[error("reading groups and changes")]
    Source(#[from] SourceError),
    /// The ledger did not take or give what was asked.
    #[error("planning runs")]
    Ledger(#[from] LedgerError),
    /// Processing failed in simulated time.
    #[error("processing runs")]
    Process(#[from] ProcessError),
    /// A stored job or purpose cannot be served here.
    #[error(transparent)]
    Unserved(#[from] BuildError),
    /// The groups known were not replaced by a list that names nobody (M8).
    #[error(
        "job {job_id}: the list of groups is suddenly empty, and no change says why: is it the \
         right Config Database?"
    )]
    SuddenlyEmpty {
        /// Which job.
        job_id: JobId,
    },
    /// A stated group that no default completes (T12).
    #[error("job {job_id}")]
    Unresolved {
        /// Which job.
        job_id: JobId,
        /// What is missing.
        source: UnresolvedGroup,
    },
}

/// Creates schedules from preferences and fires them.
pub struct DynamicBatchScheduler {
    source: Arc<dyn PreferenceSource>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    processor: EnhancedBatchProcessor,
    poll_interval: Duration,
    /// How long closed runs are kept.
    retention: LedgerRetention,
    /// Held while occurrences are planned, and while the jobs are swapped that they are planned by.
    planning: Mutex<()>,
    standing: Standing,
    /// Told when there may be more to plan because jobs have changed, or because this agent begins
    /// to plan.
    adopted: Notify,
}

impl DynamicBatchScheduler {
    /// A scheduler for the processor's jobs; `poll_interval` is how often everything is read anew
    /// as a safety net (F8).
    pub fn new(processor: EnhancedBatchProcessor, poll_interval: Duration) -> Self {
        let (source, ledger, clock) = processor.parts();
        Self {
            source,
            ledger,
            clock,
            processor,
            poll_interval,
            retention: LedgerRetention::default(),
            planning: Mutex::new(()),
            standing: Standing::default(),
            adopted: Notify::new(),
        }
    }

    /// Puts the stored jobs in force, reads the groups of every job and makes their schedules. To
    /// be called once, before anything else.
    pub async fn initialize_dynamic_schedules(&self) -> Result<(), ScheduleError> {
        self.renew().await?;
        self.adopt_at_start().await?;
        self.resynchronize().await
    }

    /// Reads the groups of a feature anew, for every job that serves it.
    pub async fn refresh_feature_schedules(
        &self,
        feature: &FeatureType,
    ) -> Result<(), ScheduleError> {
        for job in self.processor.jobs().following(feature) {
            self.load(job).await?;
        }
        Ok(())
    }

    /// Reads one group of a feature, in every zone, and makes or corrects its schedules for every
    /// job.
    pub async fn schedule_preference_group(
        &self,
        feature: &FeatureType,
        frequency: Frequency,
        time_key: &TimeKey,
    ) -> Result<(), ScheduleError> {
        let list = self.source.groups(feature).await?;
        let wanted = |group: &cohort_preferences::StatedGroup| {
            group.frequency() == Some(frequency) && group.time_key() == *time_key
        };
        for summary in list.groups.into_iter().filter(|summary| wanted(&summary.group)) {
            for job in self.processor.jobs().following(feature) {
                let job_id = &job.job.job_id;
                let learnt = self.processor.schedules().learn(job_id, &summary);
                learnt.map_err(|source| ScheduleError::Unresolved {
                    job_id: job_id.clone(),
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// Every group with its size and next occurrence.
    pub fn schedules(&self) -> Vec<ScheduleView> {
        self.processor.schedules().view()
    }

    /// Returns once a change is in force: `takes_effect_at` is what its write answered (M7).
    pub async fn until_in_force(&self, takes_effect_at: Timestamp) {
        self.processor.watch().until_known(takes_effect_at).await;
    }

    /// Why the change feed cannot be read at the moment, and so changes not be learnt of; `None`
    /// while it can.
    pub fn feed_fault(&self) -> Option<String> {
        self.processor.watch().fault()
    }

    /// Why the agent cannot do its work at the moment; `None` if it can: the groups are read,
    /// changes are heard of, and the ledger answers, takes what is written (F5) and goes by this
    /// agent's time zone database (T11).
    pub async fn unreadiness(&self) -> Option<String> {
        if let Some(fault) = self.feed_fault() {
            return Some(format!("the change feed: {fault}"));
        }
        if !self.processor.watch().is_following() {
            return Some("the Config Database has not answered yet: no group is scheduled".into());
        }
        if let Some(job_id) = self.processor.schedules().doubted() {
            return Some(ScheduleError::SuddenlyEmpty { job_id }.to_string());
        }
        if let Some(outdated) = self.outdated_tzdb() {
            return Some(outdated);
        }
        let read_fault =
            self.ledger.definition_revision().await.err().map(|error| error.to_string());
        read_fault.or_else(|| self.write_fault()).map(|fault| format!("the ledger: {fault}"))
    }

    /// Plans what is due until `shutdown` turns true, following the feed meanwhile.
    pub async fn run(&self, shutdown: Receiver<bool>) {
        let mut ended = shutdown.clone();
        tokio::select! {
            biased;
            // A sender that is gone has nothing left to run for.
            _ended_or_gone = ended.wait_for(|ended| *ended) => {}
            () = self.plan_forever() => {}
            () = self.follow_forever() => {}
            () = self.refresh_forever() => {}
            () = self.adopt_forever() => {}
            () = self.renew_forever() => {}
            () = self.erase_forever() => {}
            () = self.account_forever() => {}
            () = self.prune_forever() => {}
        }
        self.leave().await;
    }

    /// Moves a simulated clock to `end`, doing on the way everything that becomes due.
    pub async fn run_simulated_until(
        &self,
        clock: &SimulatedClock,
        end: Timestamp,
    ) -> Result<(), ScheduleError> {
        // Without an answer, what was erased is taken over another time.
        if let Err(ScheduleError::Ledger(error)) = self.take_over_erasures().await {
            return Err(error.into());
        }
        loop {
            self.renew_if_due().await?;
            self.adopt_newer().await?;
            self.plan_due().await?;
            let ready_at = self.processor.run_until_idle().await?;
            // In real time the feed that is followed does it: a group that came to be meanwhile may
            // be due before those known.
            self.learn_changes().await;
            self.reload_outdated().await;
            let next = self
                .next_to_plan()
                .into_iter()
                .chain(self.next_chance_to_plan())
                .chain(ready_at)
                .min();
            match next.filter(|next| *next <= end) {
                Some(next) => clock.advance_to(next),
                None => {
                    clock.advance_to(end);
                    return self.renew_if_due().await;
                }
            }
        }
    }

    /// Reads everything anew, and then follows the feed from where its end was before. Until all is
    /// read the place in the feed stays lost: what fails here is done again, and is not taken for
    /// done (F7). No job holds up another, and one whose list was read, but is not completed by its
    /// defaults or not believed, does not keep the place lost.
    async fn resynchronize(&self) -> Result<(), ScheduleError> {
        self.processor.watch().lose_place();
        let start = self.source.changes("now", Duration::ZERO).await?;
        let (mut read, mut completed) = (Ok(()), Ok(()));
        for job in self.processor.jobs().planned() {
            match self.load(job).await {
                Err(
                    error
                    @ (ScheduleError::Unresolved { .. } | ScheduleError::SuddenlyEmpty { .. }),
                ) => {
                    completed = completed.and(Err(error));
                }
                loaded => read = read.and(loaded),
            }
        }
        read?;
        self.processor.watch().start_at(start.next, start.complete_until);
        completed
    }

    async fn load(&self, in_force: &JobInForce) -> Result<(), ScheduleError> {
        let job = &in_force.job;
        let mark = self.ledger.ensure_job(&job.job_id, self.clock.now()).await?;
        if let Some(schedule) = &job.schedule {
            self.processor.schedules().replace_static(in_force, mark, schedule.group());
            self.processor.watch().tell();
            return Ok(());
        }
        let of_job = self.defaults_of(in_force).await?;
        let zones = match job.enroll {
            Enroll::Everyone => self.source.timezones().await?,
            Enroll::OptedIn => Vec::new(),
        };
        let list = self.source.groups(&job.feature_type).await?;
        // Another version may have come into force while the groups were read.
        if self
            .processor
            .jobs()
            .find_planned(&job.job_id)
            .is_none_or(|now| now.version() != in_force.version())
        {
            return Ok(());
        }
        self.believe(&job.job_id, &list, &zones).await?;
        let (position, complete_until) = (list.position.clone(), list.complete_until);
        let defaults = DefaultsInTime::of(&of_job, &list.defaults);
        let loaded = self.processor.schedules().replace(in_force, mark, defaults, list, &zones);
        loaded
            .map_err(|source| ScheduleError::Unresolved { job_id: job.job_id.clone(), source })?;
        self.processor.watch().rewind_to(&position, complete_until);
        self.processor.watch().tell();
        Ok(())
    }

    async fn plan_forever(&self) {
        loop {
            let wake_at = match self.plan_due().await {
                Ok(()) => self.next_to_plan().unwrap_or(Timestamp::MAX),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "planning failed; it is tried again"
                    );
                    saturating_add(self.clock.now(), PAUSE_AFTER_FAULT)
                }
            };
            let wake_at = wake_at.min(saturating_add(self.clock.now(), LONGEST_WAIT));
            tokio::select! {
                biased;
                () = self.clock.sleep_until(wake_at) => {}
                () = self.processor.watch().changed() => {}
                () = self.adopted.notified() => {}
            }
        }
    }

    /// Follows the feed for good. What ends it is got over: a lost cursor by reading everything
    /// anew (F7), anything else by a pause, which is as long as the poll interval where the key is
    /// refused.
    async fn follow_forever(&self) {
        loop {
            let mut fault = ScheduleError::Source(self.follow().await);
            if matches!(fault, ScheduleError::Source(SourceError::Gone)) {
                match self.resynchronize().await {
                    Ok(()) => continue,
                    Err(error) => fault = error,
                }
            }
            self.processor.watch().note_fault(&fault);
            tokio::time::sleep(self.pause_after(&fault)).await;
        }
    }

    /// How long the feed is left alone. A refused key is said plainly each time: only an operator
    /// can mend it.
    fn pause_after(&self, fault: &ScheduleError) -> Duration {
        let ScheduleError::Source(SourceError::Denied(_)) = fault else {
            return PAUSE_AFTER_FAULT.unsigned_abs();
        };
        let (error, again_in) = (fault as &dyn std::error::Error, self.poll_interval);
        tracing::error!(
            error,
            ?again_in,
            "the agent's key is refused: changes are not learnt of before it has another"
        );
        again_in
    }

    /// Follows the feed until it cannot go on, and says why.
    async fn follow(&self) -> SourceError {
        let mut events = match self.processor.watch().events() {
            Ok(events) => events,
            Err(error) => return error,
        };
        while let Some(event) = events.next().await {
            let learnt = match event {
                Ok(event) => self.processor.watch().learn(event).await,
                Err(error) => Err(error),
            };
            if let Err(error) = learnt {
                return error;
            }
            self.reload_outdated().await;
        }
        SourceError::Unavailable("the feed has come to an end".into())
    }

    async fn refresh_forever(&self) {
        loop {
            tokio::time::sleep(self.poll_interval).await;
            self.reload_all().await;
        }
    }

    /// Reads the groups of all jobs anew; without an answer, those known go on (F4).
    async fn reload_all(&self) {
        for job in self.processor.jobs().planned() {
            if let Err(error) = self.load(job).await {
                tracing::warn!(error = &error as &dyn std::error::Error, job_id = %job.job.job_id,
                    "reading the groups anew failed; those known go on");
            }
        }
    }

    /// Opens the runs of everything that is due now.
    async fn plan_due(&self) -> Result<(), ScheduleError> {
        let _turn = self.planning.lock().await;
        self.plan_up_to(self.clock.now()).await
    }

    /// Opens the runs of everything that is due up to `now`, by whoever has the turn to plan.
    async fn plan_up_to(&self, now: Timestamp) -> Result<(), ScheduleError> {
        if !self.plans() || self.processor.schedules().next_due().is_none_or(|due| due > now) {
            return Ok(());
        }
        // A group that came to be just now is planned with the rest.
        self.learn_changes().await;
        self.reload_outdated().await;
        // One job that cannot be planned does not hold up the others; it stays due.
        let mut planned = Ok(());
        for job in self.processor.jobs().planned() {
            planned = planned.and(self.plan_job(job, now).await);
        }
        planned
    }

    /// Reads the feed to its end; without an answer, the groups known go on (F4).
    async fn learn_changes(&self) {
        if let Err(error) = self.processor.watch().sync().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "planning with the groups known, without the latest changes"
            );
        }
    }

    /// Reads the groups anew of jobs whose defaults have changed (T12); without an answer it is
    /// tried again.
    async fn reload_outdated(&self) {
        let outdated = self.processor.schedules().outdated();
        for job in self.processor.jobs().planned().filter(|job| outdated.contains(&job.job.job_id))
        {
            if let Err(error) = self.load(job).await {
                tracing::warn!(error = &error as &dyn std::error::Error, job_id = %job.job.job_id,
                    "the defaults have changed, and the groups cannot be read anew yet");
            }
        }
    }

    async fn plan_job(&self, in_force: &JobInForce, now: Timestamp) -> Result<(), ScheduleError> {
        let job_id = &in_force.job.job_id;
        let replanned_from = self.processor.schedules().replanned_from(job_id);
        let named = self.named_since(job_id, replanned_from).await?;
        let due = self.processor.schedules().due(job_id, now, &named);
        if !due.is_empty() {
            let mut runs = Vec::with_capacity(due.len());
            for due in due {
                runs.extend(self.new_run(in_force, due).await);
            }
            let vouched = self.processor.schedules().vouched_until(job_id);
            let known_until = self.processor.watch().known_until().min(vouched).min(now);
            let mark = Mark { planned_until: now, known_until, replan_from: replanned_from };
            let tzdb = Some(self.processor.sign().tzdb);
            self.processor.process_occurrences(job_id, Plan { mark, runs, tzdb }).await?;
        }
        self.processor.schedules().advance(job_id, now);
        Ok(())
    }

    /// The occurrences from an instant on that have runs, as far as a job is planned anew (T11).
    /// Their dates may lie a day before it.
    async fn named_since(
        &self,
        job_id: &JobId,
        replanned_from: Option<Timestamp>,
    ) -> Result<Named, ScheduleError> {
        let Some(from) = replanned_from else { return Ok(Named::new()) };
        let date =
            TimeZone::UTC.to_datetime(saturating_add(from, SignedDuration::from_hours(-24))).date();
        Ok(self.ledger.named_since(job_id, date).await?)
    }

    /// The run that becomes of a due occurrence; `None` for one that is not processed and had no
    /// members (A1).
    async fn new_run(&self, in_force: &JobInForce, due: Due) -> Option<NewRun> {
        let Due { group, parts, occurrence, verdict } = due;
        let job = &*in_force.job;
        let unprocessed = match verdict {
            Verdict::Fire => None,
            Verdict::Leave(reason) => {
                let asked = GroupAt { job, group: &group, parts: &parts, instant: occurrence.at };
                match self.processor.count_members(asked).await {
                    Some(0) => return None,
                    members => Some((reason, members)),
                }
            }
        };
        let (feature_type, job_version, priority) =
            (job.feature_type.clone(), in_force.version(), job.priority);
        Some(NewRun {
            job_version,
            feature_type,
            group,
            stated: parts.stated,
            occurrence: occurrence.into(),
            priority,
            unprocessed,
        })
    }
}

pub(crate) fn saturating_add(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    instant.checked_add(duration).unwrap_or(Timestamp::MAX)
}
