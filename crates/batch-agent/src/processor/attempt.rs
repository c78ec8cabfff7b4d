//! One attempt at a chunk: who still wants it, with which settings, and what the handler said (M2,
//! M3, D5).
//!
//! ```text
//! canceled? held? ───► settings of now ─► objections ─┬─► skipped, or waits
//!   (no attempt)       (`candidates`)                 └─► called ─► chunk result
//! ```
//!
//! Here is the I/O; `candidates`, `objections` and `resolve` decide over what was read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cohort_ledger::{Chunk, ChunkResult, LedgerError, OtherRuns, Treatment};
use cohort_preferences::TenantId;
use jiff::Timestamp;
use tracing::Instrument;

use super::call::Caller;
use super::cancellations::Cancellations;
use super::candidates::{Candidate, Update, may_reuse, of_earlier_attempt};
use super::claimed::{Claimed, ReadMembers};
use super::current::SettingsReader;
use super::error::ProcessError;
use super::health::Health;
use super::in_hand::InHand;
use super::objections::Objections;
use super::once;
use super::overlap::{Overlaps, skips_nobody};
use super::record::{Recorder, pass_over_lost_claim};
use super::resolve::{cancel, poisoned, postpone, resolve_chunk};
use super::signals::Signals;
use crate::schedules::LogPosition;
use crate::shared::Shared;

/// Candidates, and the position in the feed's log from before their settings were read; `None` if
/// those of now could not be.
type Candidates = (Vec<Candidate>, Option<LogPosition>);

/// Works on claimed chunks.
pub(super) struct Worker {
    pub(super) shared: Shared,
    pub(super) signals: Arc<Signals>,
    pub(super) in_hand: Arc<InHand>,
    pub(super) cancellations: Arc<Cancellations>,
    pub(super) health: Arc<Health>,
    pub(super) settings: Arc<SettingsReader>,
    pub(super) caller: Caller,
    pub(super) recorder: Recorder,
}

impl Worker {
    /// Processes a chunk that is noted to be in work. It no longer is when this ends, however it
    /// does.
    pub(super) async fn process(&self, mut claimed: Claimed) -> Result<(), ProcessError> {
        let _in_work = self.in_hand.until_dropped(&claimed.chunk);
        let span = claimed.span();
        let process = async {
            match self.work_on(&mut claimed).await? {
                Some(result) => Ok(self.recorder.record(&claimed.run, result).await?),
                None => Ok(()),
            }
        };
        process.instrument(span).await
    }

    /// Does what a chunk is due. Returns what is to be recorded of it; `None` if it is split. What
    /// fails here has failed before anybody was called: it may be done again, and then the settings
    /// are read anew.
    pub(super) async fn work_on(
        &self,
        claimed: &mut Claimed,
    ) -> Result<Option<ChunkResult>, ProcessError> {
        match claimed.chunk.treatment() {
            Treatment::Attempt => {
                let result = self.attempt(claimed).await;
                self.health.end_probe(&claimed.job.job.purpose_id).await;
                Ok(Some(result?))
            }
            Treatment::Split => {
                self.split(&claimed.chunk).await?;
                Ok(None)
            }
            Treatment::Poison => Ok(Some(poisoned(&claimed.chunk, self.now()))),
        }
    }

    /// Makes a chunk of its own for each user of one whose workers die (D5).
    async fn split(&self, chunk: &Chunk) -> Result<(), ProcessError> {
        tracing::warn!(deaths = chunk.deaths, "a chunk whose workers die is split into its users");
        let split = self.shared.ledger.split_chunk(chunk, self.now()).await;
        split.or_else(pass_over_lost_claim)?;
        self.signals.wake();
        Ok(())
    }

    async fn attempt(&self, claimed: &mut Claimed) -> Result<ChunkResult, ProcessError> {
        let read = claimed.read.take();
        let claimed = &*claimed;
        let Claimed { chunk, run, job, .. } = claimed;
        if self.cancellations.contains(run.id) {
            return Ok(cancel(chunk, self.now()));
        }
        self.health.hear_if_due().await?;
        if let Some(result) = self.caller.without_call(claimed) {
            return Ok(result);
        }
        let candidates = match read {
            Some(read) => Some(self.candidates_of_page(claimed, read).await),
            None => self.candidates_of_earlier_attempt(claimed).await?,
        };
        let Some((candidates, asked)) = candidates else {
            let until = self.settings.next_try_at(chunk.id as u64);
            return Ok(postpone(chunk, until, self.now()));
        };
        let objections = Objections {
            run,
            job: &job.job,
            ran: self.already_ran(claimed, &candidates).await?,
            overlaps: self.overlaps(claimed, &candidates).await?,
            now: self.now(),
        };
        let defaults = self.shared.schedules.template_overrides(&run.job_id);
        let (mut results, calls) = objections.divide(candidates, &defaults);
        results.extend(self.caller.call(claimed, asked, calls).await);
        Ok(resolve_chunk(claimed, results, &self.caller.evidence(claimed), self.now()))
    }

    /// The candidates of a chunk whose members were just read: only those are asked for again whom
    /// the feed has named since (M3).
    async fn candidates_of_page(&self, claimed: &Claimed, read: ReadMembers) -> Candidates {
        let Claimed { chunk, run, job, .. } = claimed;
        let tenants: Vec<_> = read.members.iter().map(|member| &member.tenant_id).collect();
        let asked = self.shared.feed.position();
        let changed =
            self.shared.feed.changed_among(&run.feature_type, Some(read.position), &tenants).await;
        let (update, asked) = match self.settings.read(&run.feature_type, &job.job, &changed).await
        {
            Ok(current) => (Update { current, read_at: self.now(), stale: false }, asked),
            Err(_logged) => {
                let (current, read_at) = (HashMap::new(), read.position.at);
                (Update { current, read_at, stale: true }, read.position)
            }
        };
        (update.candidates(&chunk.open, read.members, run, self.now()), Some(asked))
    }

    /// The candidates of a chunk that was attempted or postponed before: all are asked for. While
    /// the Config Database is away, the settings of the first attempt do, unless they are too old;
    /// `None` if the chunk has to wait (M3).
    async fn candidates_of_earlier_attempt(
        &self,
        claimed: &Claimed,
    ) -> Result<Option<Candidates>, ProcessError> {
        let Claimed { chunk, run, job, .. } = claimed;
        let numbers: Vec<u64> = chunk.open.iter().map(|member| member.number).collect();
        let names = self.shared.ledger.tenant_names(numbers.clone()).await?;
        let tenants: Vec<TenantId> = numbers.iter().map(|number| names[number].clone()).collect();
        let position = self.shared.feed.position();
        let read = self.settings.read(&run.feature_type, &job.job, &tenants).await;
        let (current, asked) = match read {
            Ok(current) => (current, Some(position)),
            Err(_logged) if may_reuse(&chunk.open, self.now()) => (HashMap::new(), None),
            Err(_logged) => return Ok(None),
        };
        Ok(Some((of_earlier_attempt(&chunk.open, tenants, current, self.now()), asked)))
    }

    /// Which candidates the job has run in the run's period in another group (M6). Only users are
    /// looked up for whom another group may have fired in it, because they joined this one late or
    /// have left it, or were moved into it by other defaults, and only before their first attempt.
    async fn already_ran(
        &self,
        claimed: &Claimed,
        candidates: &[Candidate],
    ) -> Result<HashSet<u64>, LedgerError> {
        let Claimed { chunk, run, job, .. } = claimed;
        let Some(period) = once::period_of(&job.job, run) else { return Ok(HashSet::new()) };
        let begins = once::beginning(&period);
        let has_taken_over =
            self.shared.schedules.has_taken_over_since(&run.job_id, &run.group, begins);
        let joined_late = |candidate: &&Candidate| {
            has_taken_over || candidate.member_since.is_none_or(|since| since >= begins)
        };
        let numbers = unbegun(candidates.iter().filter(joined_late));
        if numbers.is_empty() || !self.other_runs(claimed).await?.is_in_period {
            return Ok(HashSet::new());
        }
        self.shared.ledger.already_ran(run, period, chunk, numbers).await
    }

    /// Which candidates are still open in earlier runs of the job (F10); only before their first
    /// attempt.
    async fn overlaps(
        &self,
        claimed: &Claimed,
        candidates: &[Candidate],
    ) -> Result<Overlaps, LedgerError> {
        let numbers = unbegun(candidates.iter());
        if numbers.is_empty() || !self.other_runs(claimed).await?.is_earlier_open {
            return Ok(Overlaps::default());
        }
        let earlier = self.shared.ledger.open_earlier(&claimed.run, numbers).await?;
        Ok(Overlaps { earlier, skips_nobody: skips_nobody(&claimed.run) })
    }

    /// What other runs of the job there are. One that is opened later has its chunks later, and
    /// gives way to this one (M6).
    async fn other_runs(&self, claimed: &Claimed) -> Result<OtherRuns, LedgerError> {
        let Claimed { run, job, others, .. } = claimed;
        let period = once::period_of(&job.job, run);
        others.get_or_try_init(|| self.shared.ledger.other_runs(run, period)).await.copied()
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}

/// The numbers of those of these candidates whose work was not begun.
fn unbegun<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Vec<u64> {
    candidates
        .map(|candidate| &candidate.member)
        .filter(|member| member.is_unbegun())
        .map(|member| member.number)
        .collect()
}
