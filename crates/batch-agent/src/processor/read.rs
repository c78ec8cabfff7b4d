//! Reading the members of a run, page by page, into chunks (M1, M8).

use std::sync::Arc;

use cohort_preferences::{Job, Member, PreferenceGroup, StatedGroup};
use jiff::{SignedDuration, Timestamp};

use super::lists::{Lists, Page, PageError};
use super::{Claimed, Inner, JobInForce, ProcessError};
use crate::ledger::{Chunk, LedgerError, MembersRead, MissedReason, Run, UnprocessedReason};
use crate::scheduler::{Outdated, Parts, Seen, saturating_add};

/// The first pause after a fault; it doubles with each.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The longest pause after a fault.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// How long the groups may take to be read anew after other defaults were heard of: what waits for that is not given up.
const TIME_TO_READ_GROUPS: SignedDuration = SignedDuration::from_secs(60);

/// How long work waits whose job is not served here.
pub(super) const PAUSE_OF_UNKNOWN_JOB: SignedDuration = SignedDuration::from_mins(10);

/// A preference group of a job at an instant.
pub(crate) struct GroupAt<'a> {
    pub(crate) job: &'a Job,
    pub(crate) group: &'a PreferenceGroup,
    pub(crate) parts: &'a Parts,
    pub(crate) instant: Timestamp,
}

impl Inner {
    /// Reads the next page of the most urgent run and claims it as chunks. Runs that cannot be read are postponed.
    pub(super) async fn read_next_page(&self) -> Result<Vec<Claimed>, ProcessError> {
        while let Some(run) = self.ledger.next_run_to_read(self.clock.now()).await? {
            let chunks = self.read_page_of(run).await?;
            if !chunks.is_empty() {
                return Ok(chunks);
            }
        }
        Ok(Vec::new())
    }

    async fn read_page_of(&self, run: Run) -> Result<Vec<Claimed>, ProcessError> {
        let Some(in_force) = self.find_job(&run.job_id) else {
            tracing::warn!(job_id = %run.job_id, run = %run.id, "a job with an open run is not served here; its run waits");
            self.ledger.postpone_reading(run.id, saturating_add(self.clock.now(), PAUSE_OF_UNKNOWN_JOB)).await?;
            return Ok(Vec::new());
        };
        let (seen, job) = (self.watch.seen(), &*in_force.job);
        if let Some(reason) = run.reason {
            self.count_unprocessed(&run, job, reason).await?;
            return Ok(Vec::new());
        }
        match self.fetch_page(&run, job).await {
            Ok((stated, page)) => {
                let members = page.members.iter().map(|member| (member.number, member.tenant_id.clone())).collect();
                let read =
                    MembersRead { run: &run, stated, members, next_cursor: page.next, chunk_size: job.chunk_size, claim: self.claim_now() };
                // Another agent may have read the same page; then its chunks are that agent's.
                let chunks = self.ledger.add_members(read).await?.unwrap_or_default();
                let run = Arc::new(run);
                Ok(with_members(chunks, page.members, seen).map(|(chunk, read)| claimed(chunk, read, &run, &in_force)).collect())
            }
            Err(error) => {
                self.wait_or_give_up(&run, job, &error).await?;
                Ok(Vec::new())
            }
        }
    }

    async fn fetch_page(&self, run: &Run, job: &Job) -> Result<(Vec<StatedGroup>, Page), PageError> {
        let lists = Lists::of(job, self.parts_of(run, job).await?);
        let page = self.page_of(run, job, &lists).await?;
        Ok((lists.groups, page))
    }

    /// What makes up the run's group. Before the first page, the feed must have reached the occurrence's instant: a group
    /// that came to be just before it may become part of the same preference group, and so may one whose defaults changed.
    async fn parts_of(&self, run: &Run, job: &Job) -> Result<Parts, PageError> {
        if job.schedule.is_some() {
            return Ok(Parts::default());
        }
        if run.cursor.is_none() && self.watch.known_until() < run.occurrence.at {
            self.watch.sync().await?;
        }
        if run.cursor.is_none() && self.watch.known_until() < run.occurrence.at {
            return Err(PageError::FeedBehind);
        }
        let mut parts = self.schedules.parts(&run.job_id, &run.group, run.occurrence.at).map_err(PageError::DefaultsChanged)?;
        if run.cursor.is_some() {
            parts.stated.clone_from(&run.stated);
        }
        let is_left_out = |stated: &&StatedGroup| !parts.stated.contains(stated);
        // It was opened with what was known then; other defaults may have been in force without a word to us (F4, T12).
        let is_part = |stated: &&StatedGroup| self.schedules.is_part(&run.job_id, stated, &run.group, run.occurrence.at);
        let opened_with: Vec<_> = run.stated.iter().filter(is_left_out).filter(is_part).cloned().collect();
        parts.stated.extend(opened_with);
        Ok(parts)
    }

    /// The run is read again after a pause, until it has waited long enough; then its members are missed (F4).
    async fn wait_or_give_up(&self, run: &Run, job: &Job, error: &PageError) -> Result<(), ProcessError> {
        let now = self.clock.now();
        if now <= waits_until(run, job, error) {
            tracing::warn!(error = error as &dyn std::error::Error, run = %run.id, group = %run.group, "the members of a run cannot be read yet");
            return Ok(self.postpone_reading(run).await?);
        }
        tracing::error!(error = error as &dyn std::error::Error, run = %run.id, group = %run.group, "the members of a run could not be read within its catch-up window");
        let (reason, missed) = (UnprocessedReason::Missed(MissedReason::MembersUnreadable), self.unread_members(run, job).await);
        self.ledger.give_up_reading(run.id, reason, missed, now).await?;
        Ok(())
    }

    /// The pause doubles with each fault.
    pub(super) async fn postpone_reading(&self, run: &Run) -> Result<(), LedgerError> {
        let pause = PAUSE.saturating_mul(1 << run.read_faults.min(10)).min(LONGEST_PAUSE);
        self.ledger.postpone_reading(run.id, saturating_add(self.clock.now(), pause)).await
    }
}

/// Up to when a run waits for its members: to the end of its catch-up window (F4). That may have ended in an outage before the
/// service that is back told of other defaults (T12).
fn waits_until(run: &Run, job: &Job, error: &PageError) -> Timestamp {
    let end_of_window = saturating_add(run.occurrence.at, job.catchup_window(run.group.frequency()));
    match error {
        PageError::DefaultsChanged(Outdated { since }) => end_of_window.max(saturating_add(*since, TIME_TO_READ_GROUPS)),
        _ => end_of_window,
    }
}

/// Deals the members of a page out to the chunks that were made of it, in the same order.
fn with_members(chunks: Vec<Chunk>, members: Vec<Member>, seen: Seen) -> impl Iterator<Item = (Chunk, (Vec<Member>, Seen))> {
    let mut members = members.into_iter();
    chunks.into_iter().map(move |chunk| {
        let of_chunk = members.by_ref().take(chunk.open.len()).collect();
        (chunk, (of_chunk, seen))
    })
}

fn claimed(chunk: Chunk, read: (Vec<Member>, Seen), run: &Arc<Run>, job: &Arc<JobInForce>) -> Claimed {
    Claimed { chunk, run: Arc::clone(run), job: Arc::clone(job), read: Some(read) }
}
