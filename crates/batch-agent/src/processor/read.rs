//! Reading the members of runs into chunks (M1, M8).
//!
//! ```text
//! first run of a lane ─┬─ large, or begun, or not of groups alone ─► its next page
//!                      └─ small ─► those beside it that fit into a claim too ─► all their lists in one request
//! ```
//!
//! However they are read, each run has a list and a count of its own and is added by itself. What
//! may fail: a list that does not have its count, then that run waits (M8); the request for many
//! lists, then each is asked for alone (F4).

use std::sync::Arc;

use cohort_preferences::{Job, Member, MemberListsRequest, StatedGroup, WholeList};
use jiff::{SignedDuration, Timestamp};

use super::{CLAIM_USERS, Claimed, Inner, JobInForce, ProcessError};
use crate::clock::saturating_add;
use crate::members::{Lists, Page, PageError, PageReader, whole_page};
use crate::schedules::{GroupSources, GroupSourcesUnknown, LogPosition};
use cohort_ledger::{
    Chunk, Claim, Lane, LedgerError, MembersRead, MissedReason, Run, UnprocessedReason,
};

/// The first pause after a fault; it doubles with each.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The longest pause after a fault.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// How long the groups may take to be read anew after other defaults were heard of: what waits for
/// that is not given up.
const TIME_TO_READ_GROUPS: SignedDuration = SignedDuration::from_secs(60);

/// How long work waits whose job is not served here.
pub(super) const PAUSE_OF_UNKNOWN_JOB: SignedDuration = SignedDuration::from_mins(10);

/// The most runs read in one request.
const RUNS_READ_TOGETHER: usize = 500;

/// The most stated groups that the Config Database takes in one request.
const GROUPS_ASKED_TOGETHER: usize = 1_000;

/// A run whose members are to be read, and where they come from.
pub(super) struct Unread {
    pub(super) run: Run,
    pub(super) in_force: Arc<JobInForce>,
    pub(super) lists: Lists,
}

impl Unread {
    /// A page of the run on its way into the ledger.
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

impl Inner {
    /// Reads the next members of a lane's first run, and of others with it if they are few, and
    /// claims them as chunks. Runs that cannot be read are postponed.
    pub(super) async fn read_next_members(
        &self,
        lane: &Lane,
    ) -> Result<Vec<Claimed>, ProcessError> {
        while let Some(run) = self.ledger.next_run_to_read(lane, self.clock.now()).await? {
            let Some(first) = self.unread(run).await? else { continue };
            let chunks = if self.room_beside(&first).is_some() {
                self.read_with_others(first).await?
            } else {
                self.read_page_of(first).await?
            };
            if !chunks.is_empty() {
                return Ok(chunks);
            }
        }
        Ok(Vec::new())
    }

    /// What is needed to read a run; `None` if it has to wait, or if its members are only to be
    /// counted.
    pub(super) async fn unread(&self, run: Run) -> Result<Option<Unread>, ProcessError> {
        let Some(in_force) = self.jobs.find(&run.job_id) else {
            tracing::warn!(job_id = %run.job_id, run = %run.id,
                "a job with an open run is not served here; its run waits");
            self.ledger
                .postpone_reading(run.id, saturating_add(self.clock.now(), PAUSE_OF_UNKNOWN_JOB))
                .await?;
            return Ok(None);
        };
        if let Some(reason) = run.reason {
            self.count_unprocessed(&run, &in_force.job, reason).await?;
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

    /// Room for how many users a run leaves in a claim, if it is one that may be read with others.
    fn room_beside(&self, unread: &Unread) -> Option<usize> {
        let Unread { run, lists, .. } = unread;
        let is_unbegun = run.cursor.is_none() && unread.in_force.job.fair_share_by.is_none();
        let members =
            usize::try_from(self.schedules.members(&run.job_id, &run.group)).unwrap_or(usize::MAX);
        CLAIM_USERS.checked_sub(members).filter(|_| is_unbegun && lists.are_of_groups())
    }

    async fn read_page_of(&self, unread: Unread) -> Result<Vec<Claimed>, ProcessError> {
        let position = self.feed.position();
        match self.next_page(&unread).await {
            Ok(page) => self.add(vec![(unread, page)], position).await,
            Err(error) => {
                self.wait_or_give_up(&unread.run, &unread.in_force.job, &error).await?;
                Ok(Vec::new())
            }
        }
    }

    /// The next page of a run.
    pub(super) async fn next_page(&self, unread: &Unread) -> Result<Page, PageError> {
        let Unread { run, in_force, lists } = unread;
        let source = &*self.source;
        PageReader { source, run, job: &in_force.job, limit: CLAIM_USERS }.next_page(lists).await
    }

    async fn read_with_others(&self, first: Unread) -> Result<Vec<Claimed>, ProcessError> {
        let together = self.with_those_beside(first).await?;
        let position = self.feed.position();
        let lists = if together.len() > 1 { self.lists_of(&together).await } else { None };
        let Some(lists) = lists else { return self.read_one_by_one(together).await };
        let (mut read, mut without_room) = (Vec::with_capacity(together.len()), Vec::new());
        for (unread, list) in together.into_iter().zip(lists) {
            match list.map(whole_page) {
                Some(Ok(page)) => read.push((unread, page)),
                Some(Err(error)) => {
                    self.wait_or_give_up(&unread.run, &unread.in_force.job, &error).await?
                }
                None => without_room.push(unread),
            }
        }
        let chunks = self.add(read, position).await?;
        if chunks.is_empty() { self.read_one_by_one(without_room).await } else { Ok(chunks) }
    }

    /// The run and others of its instant, as many as fit into a claim by what is known of their
    /// sizes.
    async fn with_those_beside(&self, first: Unread) -> Result<Vec<Unread>, ProcessError> {
        let others =
            self.ledger.unread_beside(&first.run, self.clock.now(), RUNS_READ_TOGETHER - 1).await?;
        let mut room = self.room_beside(&first).unwrap_or_default();
        let mut groups = first.lists.groups.len();
        let mut together = vec![first];
        for other in others {
            let Some(other) = self.unread(other).await? else { continue };
            let Some(room_beside) = self.room_beside(&other) else { continue };
            let (members, groups_with) =
                (CLAIM_USERS - room_beside, groups + other.lists.groups.len());
            if members <= room && groups_with <= GROUPS_ASKED_TOGETHER {
                (room, groups) = (room - members, groups_with);
                together.push(other);
            }
        }
        Ok(together)
    }

    /// The lists of these runs of one feature and instant; `None` if they cannot be had in one
    /// request.
    async fn lists_of(&self, together: &[Unread]) -> Option<Vec<Option<WholeList>>> {
        let first = &together.first()?.run;
        let request = MemberListsRequest {
            feature_type: first.feature_type.clone(),
            lists: together.iter().map(|unread| unread.lists.groups.clone()).collect(),
            as_of: first.occurrence.at,
            limit: Some(CLAIM_USERS),
        };
        let answer = self.source.member_lists(&request).await.inspect_err(|error| {
            let runs = together.len();
            tracing::warn!(
                error = error as &dyn std::error::Error,
                runs,
                "the members of several runs cannot be read together"
            );
        });
        Some(answer.ok()?.lists)
    }

    /// Reads these runs until there is something of one of them.
    async fn read_one_by_one(&self, unread: Vec<Unread>) -> Result<Vec<Claimed>, ProcessError> {
        for unread in unread {
            let chunks = self.read_page_of(unread).await?;
            if !chunks.is_empty() {
                return Ok(chunks);
            }
        }
        Ok(Vec::new())
    }

    /// Adds pages of different runs to the ledger and answers their chunks, which this agent holds.
    /// Of a page that another agent has read there are none.
    async fn add(
        &self,
        read: Vec<(Unread, Page)>,
        position: LogPosition,
    ) -> Result<Vec<Claimed>, ProcessError> {
        let claim = self.claim_now();
        let pages = read.iter().map(|(unread, page)| unread.members_read(page, claim.clone()));
        let added = self.ledger.add_members(pages.collect()).await?;
        let mut all = Vec::new();
        for ((Unread { run, in_force, .. }, page), chunks) in read.into_iter().zip(added) {
            let (run, others) = (Arc::new(run), Arc::default());
            let of_run = with_members(chunks.unwrap_or_default(), page.members, position);
            let held = |(chunk, read)| Claimed {
                chunk,
                lease_until: claim.lease_until,
                run: Arc::clone(&run),
                job: Arc::clone(&in_force),
                others: Arc::clone(&others),
                read: Some(read),
            };
            all.extend(of_run.map(held));
        }
        Ok(all)
    }

    /// What makes up the run's group. Before the first page, the feed must have reached the
    /// occurrence's instant: a group that came to be just before it may become part of the same
    /// preference group, and so may one whose defaults changed.
    async fn sources_of(&self, run: &Run, job: &Job) -> Result<GroupSources, PageError> {
        if job.schedule.is_some() {
            return Ok(GroupSources::default());
        }
        if run.cursor.is_none() && self.feed.known_until() < run.occurrence.at {
            self.feed.sync().await?;
        }
        if run.cursor.is_none() && self.feed.known_until() < run.occurrence.at {
            return Err(PageError::FeedBehind);
        }
        let mut sources = self.schedules.sources(&run.job_id, &run.group, run.occurrence.at)?;
        if run.cursor.is_some() {
            sources.stated.clone_from(&run.stated);
        }
        let is_left_out = |stated: &&StatedGroup| !sources.stated.contains(stated);
        // It was opened with what was known then; other defaults may have been in force without a
        // word to us (F4, T12).
        let is_part = |stated: &&StatedGroup| {
            self.schedules.is_part(&run.job_id, stated, &run.group, run.occurrence.at)
        };
        let opened_with: Vec<_> =
            run.stated.iter().filter(is_left_out).filter(is_part).cloned().collect();
        sources.stated.extend(opened_with);
        Ok(sources)
    }

    /// The run is read again after a pause, until it has waited long enough; then its members are
    /// missed (F4).
    pub(super) async fn wait_or_give_up(
        &self,
        run: &Run,
        job: &Job,
        error: &PageError,
    ) -> Result<(), ProcessError> {
        let now = self.clock.now();
        if now <= waits_until(run, job, error) {
            tracing::warn!(error = error as &dyn std::error::Error, run = %run.id,
                group = %run.group, "the members of a run cannot be read yet");
            return Ok(self.postpone_reading(run).await?);
        }
        tracing::error!(error = error as &dyn std::error::Error, run = %run.id, group = %run.group,
            "the members of a run could not be read within its catch-up window");
        let (reason, missed) = (
            UnprocessedReason::Missed(MissedReason::MembersUnreadable),
            self.unread_members(run, job).await,
        );
        self.ledger.give_up_reading(run.id, reason, missed, now).await?;
        Ok(())
    }

    /// The pause doubles with each fault.
    pub(super) async fn postpone_reading(&self, run: &Run) -> Result<(), LedgerError> {
        let pause = PAUSE.saturating_mul(1 << run.read_faults.min(10)).min(LONGEST_PAUSE);
        self.ledger.postpone_reading(run.id, saturating_add(self.clock.now(), pause)).await
    }
}

/// Up to when a run waits for its members: to the end of its catch-up window (F4). That may have
/// ended in an outage before the service that is back told of other defaults (T12).
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

/// Deals the members of a page out to the chunks that were made of it, in the same order.
fn with_members(
    chunks: Vec<Chunk>,
    members: Vec<Member>,
    position: LogPosition,
) -> impl Iterator<Item = (Chunk, (Vec<Member>, LogPosition))> {
    let mut members = members.into_iter();
    chunks.into_iter().map(move |chunk| {
        let of_chunk = members.by_ref().take(chunk.open.len()).collect();
        (chunk, (of_chunk, position))
    })
}
