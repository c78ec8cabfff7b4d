//! Runs whose members are to be read, and those that have to wait for it or give it up (F4, M8).

use std::sync::Arc;

use cohort_ledger::{Claim, LedgerError, MembersRead, MissedReason, Run, UnprocessedReason};
use cohort_preferences::{Job, StatedGroup};
use jiff::{SignedDuration, Timestamp};
use tracing::{Instrument, Span};

use super::count::{unread_as_of, unread_members};
use super::error::ProcessError;
use super::identity::Identity;
use super::pulse::LedgerPulse;
use crate::clock::saturating_add;
use crate::jobs::JobInForce;
use crate::members::{Lists, Page, PageError};
use crate::schedules::{GroupSources, GroupSourcesUnknown};
use crate::shared::Shared;

/// The first pause after a fault; it doubles with each.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The longest pause after a fault.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// How long the groups may take to be read anew after other defaults were heard of. A run that
/// waits for that is not given up.
const TIME_TO_READ_GROUPS: SignedDuration = SignedDuration::from_secs(60);

/// How long the work of a job waits that is not served here.
pub(super) const PAUSE_OF_UNKNOWN_JOB: SignedDuration = SignedDuration::from_mins(10);

/// Reads the members of runs and claims them as chunks.
pub(super) struct MemberReader {
    pub(super) shared: Shared,
    pub(super) identity: Identity,
    pub(super) pulse: Arc<LedgerPulse>,
}

/// A run whose members are to be read, and where they come from.
pub(super) struct Unread {
    pub(super) run: Run,
    pub(super) in_force: Arc<JobInForce>,
    pub(super) lists: Lists,
}

impl Unread {
    /// A page of the run, for the ledger.
    pub(super) fn members_read(&self, page: &Page, claim: Claim) -> MembersRead<'_> {
        MembersRead {
            run: &self.run,
            stated: self.lists.groups.clone(),
            members: page
                .members
                .iter()
                .map(|member| (member.number, member.tenant_id.clone()))
                .collect(),
            next_cursor: page.next.clone(),
            chunk_size: self.in_force.job.chunk_size,
            claim,
        }
    }
}

impl MemberReader {
    /// What is needed to read a run; `None` if it has to wait, if its members are only to be
    /// counted, or if it is a rerun, whose members then wait in chunks.
    pub(super) async fn unread(&self, run: Run) -> Result<Option<Unread>, ProcessError> {
        let span = span_of(&run);
        self.sources_or_wait(run).instrument(span).await
    }

    async fn sources_or_wait(&self, run: Run) -> Result<Option<Unread>, ProcessError> {
        let Some(in_force) = self.shared.jobs.find(&run.job_id) else {
            tracing::warn!("a job with an open run is not served here; its run waits");
            let until = saturating_add(self.shared.clock.now(), PAUSE_OF_UNKNOWN_JOB);
            self.shared.ledger.postpone_reading(run.id, until).await?;
            return Ok(None);
        };
        if let Some(reason) = run.reason {
            self.close_unprocessed(&run, &in_force.job, reason).await?;
            return Ok(None);
        }
        if run.occurrence.nominal.is_rerun() {
            self.queue_repeated(run, &in_force.job).await?;
            return Ok(None);
        }
        match self.sources_of(&run, &in_force.job).await {
            Ok(sources) => {
                Ok(Some(Unread { lists: Lists::of(&in_force.job, sources), run, in_force }))
            }
            Err(error) => {
                self.wait_or_give_up(&run, &in_force.job, &error).await?;
                Ok(None)
            }
        }
    }

    /// Closes a run that is not to be processed with the number of its members; while they cannot
    /// be counted, it waits.
    async fn close_unprocessed(
        &self,
        run: &Run,
        job: &Job,
        reason: UnprocessedReason,
    ) -> Result<(), ProcessError> {
        match unread_as_of(&self.shared, run, job).await {
            None => self.postpone_reading(run).await?,
            unread => {
                let now = self.shared.clock.now();
                self.shared.ledger.give_up_reading(run.id, reason, unread, now).await?;
            }
        }
        Ok(())
    }

    /// What makes up the run's group. Before the first page, the feed must have reached the
    /// occurrence's instant: a group that came to be just before it may become part of the same
    /// preference group, and so may one whose defaults changed.
    async fn sources_of(&self, run: &Run, job: &Job) -> Result<GroupSources, PageError> {
        if job.schedule.is_some() {
            return Ok(GroupSources::default());
        }
        if run.cursor.is_none() && self.shared.feed.known_until() < run.occurrence.at {
            self.shared.feed.sync().await?;
        }
        if run.cursor.is_none() && self.shared.feed.known_until() < run.occurrence.at {
            return Err(PageError::FeedBehind);
        }
        let mut sources =
            self.shared.schedules.sources(&run.job_id, &run.group, run.occurrence.at)?;
        if run.cursor.is_some() {
            sources.stated.clone_from(&run.stated);
        }
        let is_left_out = |stated: &&StatedGroup| !sources.stated.contains(stated);
        // The run was opened with what was known then; other defaults may have been in force that
        // we had not heard of (F4, T12).
        let is_part = |stated: &&StatedGroup| {
            self.shared.schedules.is_part(&run.job_id, stated, &run.group, run.occurrence.at)
        };
        let opened_with: Vec<_> =
            run.stated.iter().filter(is_left_out).filter(is_part).cloned().collect();
        sources.stated.extend(opened_with);
        Ok(sources)
    }

    /// Has the run read again after a pause, until it has waited long enough; then its members are
    /// missed (F4).
    pub(super) async fn wait_or_give_up(
        &self,
        run: &Run,
        job: &Job,
        error: &PageError,
    ) -> Result<(), ProcessError> {
        let now = self.shared.clock.now();
        let span = span_of(run);
        if now <= waits_until(run, job, error) {
            span.in_scope(|| {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "the members of a run cannot be read yet"
                );
            });
            return Ok(self.postpone_reading(run).await?);
        }
        span.in_scope(|| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the members of a run could not be read within its catch-up window"
            );
        });
        let missed = unread_members(&self.shared, run, job).instrument(span).await;
        let reason = UnprocessedReason::Missed(MissedReason::MembersUnreadable);
        self.shared.ledger.give_up_reading(run.id, reason, missed, now).await?;
        Ok(())
    }

    /// Has the run read again after a pause, which doubles with each fault.
    pub(super) async fn postpone_reading(&self, run: &Run) -> Result<(), LedgerError> {
        let pause = PAUSE.saturating_mul(1 << run.read_faults.min(10)).min(LONGEST_PAUSE);
        self.shared
            .ledger
            .postpone_reading(run.id, saturating_add(self.shared.clock.now(), pause))
            .await
    }
}

/// The span of what is read of a run. It is at the level of errors, so that each line within it
/// names its run, however little is logged.
pub(super) fn span_of(run: &Run) -> Span {
    tracing::error_span!(
        "run",
        run = %run.id,
        job_id = %run.job_id,
        group = %run.group,
        nominal = %run.occurrence.nominal,
    )
}

/// Until when a run waits for its members: to the end of its catch-up window (F4). If the window
/// ended in an outage, and the service then tells of other defaults, the run waits until the groups
/// are read anew (T12).
fn waits_until(run: &Run, job: &Job, error: &PageError) -> Timestamp {
    let end_of_window =
        saturating_add(run.occurrence.at, job.catchup_window(run.group.frequency()));
    match error {
        PageError::GroupSources(GroupSourcesUnknown::DefaultsChanged { heard_at }) => {
            end_of_window.max(saturating_add(*heard_at, TIME_TO_READ_GROUPS))
        }
        _ => end_of_window,
    }
}
