//! Reading the members of runs into chunks (M1, M8).
//!
//! ```text
//! first run of a lane
//!   ├─ large, or begun, or not of groups alone ─► its next page
//!   └─ small ─► those beside it that fit into a claim too ─► all their lists in one request
//! ```
//!
//! However they are read, each run has a list and a count of its own and is added by itself. What
//! may fail: a list that does not have its count, then that run waits (M8); the request for many
//! lists, then each is asked for alone (F4).

use std::sync::Arc;

use cohort_ledger::{Chunk, Lane};
use cohort_preferences::{Member, MemberListsRequest, WholeList};
use tracing::Instrument;

use super::claimed::{CLAIM_USERS, Claimed, ClaimedFor, ReadMembers};
use super::error::ProcessError;
use super::unread::{MemberReader, Unread, span_of};
use crate::members::{Page, PageError, PageReader, whole_page};
use crate::schedules::LogPosition;

/// The most runs read in one request.
const RUNS_READ_TOGETHER: usize = 500;

/// The most stated groups that the Config Database takes in one request.
const GROUPS_ASKED_TOGETHER: usize = 1_000;

impl MemberReader {
    /// Reads the next members of a lane's first run, and of others with it if they are few, and
    /// claims them as chunks. Runs that cannot be read are postponed.
    pub(super) async fn read_next_members(
        &self,
        lane: &Lane,
    ) -> Result<Vec<Claimed>, ProcessError> {
        while let Some(run) =
            self.shared.ledger.next_run_to_read(lane, self.shared.clock.now()).await?
        {
            let is_rerun = run.occurrence.nominal.is_rerun();
            let Some(first) = self.unread(run).await? else {
                // Its next page has its turn when this one is in work.
                if is_rerun {
                    break;
                }
                continue;
            };
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

    /// For how many more users a claim has room beside this run; `None` if the run is not read with
    /// others.
    fn room_beside(&self, unread: &Unread) -> Option<usize> {
        let Unread { run, lists, .. } = unread;
        let is_unbegun = run.cursor.is_none() && unread.in_force.job.fair_share_by.is_none();
        let members = usize::try_from(self.shared.schedules.members(&run.job_id, &run.group))
            .unwrap_or(usize::MAX);
        CLAIM_USERS.checked_sub(members).filter(|_| is_unbegun && lists.are_of_groups())
    }

    /// Reads members of a lane's first run for one chunk, and claims it.
    pub(super) async fn read_one_chunk(&self, lane: &Lane) -> Result<Vec<Claimed>, ProcessError> {
        let run = self.shared.ledger.next_run_to_read(lane, self.shared.clock.now()).await?;
        let Some(run) = run else { return Ok(Vec::new()) };
        let Some(unread) = self.unread(run).await? else { return Ok(Vec::new()) };
        let users = unread.in_force.job.chunk_size;
        self.read_users_of(unread, users).await
    }

    async fn read_page_of(&self, unread: Unread) -> Result<Vec<Claimed>, ProcessError> {
        self.read_users_of(unread, CLAIM_USERS).await
    }

    async fn read_users_of(
        &self,
        unread: Unread,
        users: usize,
    ) -> Result<Vec<Claimed>, ProcessError> {
        let position = self.shared.feed.position();
        match self.next_page(&unread, users).instrument(span_of(&unread.run)).await {
            Ok(page) => self.add(vec![(unread, page)], position).await,
            Err(error) => {
                self.wait_or_give_up(&unread.run, &unread.in_force.job, &error).await?;
                Ok(Vec::new())
            }
        }
    }

    /// The next page of a run, with at most so many users.
    pub(super) async fn next_page(&self, unread: &Unread, limit: usize) -> Result<Page, PageError> {
        let Unread { run, in_force, lists } = unread;
        let source = &*self.shared.source;
        PageReader { source, run, job: &in_force.job, limit }.next_page(lists).await
    }

    async fn read_with_others(&self, first: Unread) -> Result<Vec<Claimed>, ProcessError> {
        let together = self.with_those_beside(first).await?;
        let position = self.shared.feed.position();
        let lists = if together.len() > 1 { self.lists_of(&together).await } else { None };
        let Some(lists) = lists else { return self.read_one_by_one(together).await };
        let (mut read, mut without_room) = (Vec::with_capacity(together.len()), Vec::new());
        for (unread, list) in together.into_iter().zip(lists) {
            match list.map(whole_page) {
                Some(Ok(page)) => read.push((unread, page)),
                Some(Err(error)) => {
                    self.wait_or_give_up(&unread.run, &unread.in_force.job, &error).await?;
                }
                None => without_room.push(unread),
            }
        }
        let chunks = self.add(read, position).await?;
        if chunks.is_empty() { self.read_one_by_one(without_room).await } else { Ok(chunks) }
    }

    /// The run and others of its instant: as many as fit into a claim, as far as their sizes are
    /// known.
    async fn with_those_beside(&self, first: Unread) -> Result<Vec<Unread>, ProcessError> {
        let others = self
            .shared
            .ledger
            .unread_beside(&first.run, self.shared.clock.now(), RUNS_READ_TOGETHER - 1)
            .await?;
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

    /// The lists of these runs of one feature and instant; `None` if they cannot be read in one
    /// request.
    async fn lists_of(&self, together: &[Unread]) -> Option<Vec<Option<WholeList>>> {
        let first = &together.first()?.run;
        let request = MemberListsRequest {
            feature_type: first.feature_type.clone(),
            lists: together.iter().map(|unread| unread.lists.groups.clone()).collect(),
            as_of: first.occurrence.at,
            limit: Some(CLAIM_USERS),
        };
        let answer = self.shared.source.member_lists(&request).await.inspect_err(|error| {
            let runs = together.len();
            tracing::warn!(
                error = error as &dyn std::error::Error,
                runs,
                "the members of several runs cannot be read together"
            );
        });
        Some(answer.ok()?.lists)
    }

    /// Reads these runs, one after the other, until one has members.
    async fn read_one_by_one(&self, unread: Vec<Unread>) -> Result<Vec<Claimed>, ProcessError> {
        for unread in unread {
            let chunks = self.read_page_of(unread).await?;
            if !chunks.is_empty() {
                return Ok(chunks);
            }
        }
        Ok(Vec::new())
    }

    /// Adds pages of different runs to the ledger. Returns their chunks, which this agent holds;
    /// none for a page that another agent has read before.
    async fn add(
        &self,
        read: Vec<(Unread, Page)>,
        position: LogPosition,
    ) -> Result<Vec<Claimed>, ProcessError> {
        let claim = self.identity.claim_now();
        let pages = read.iter().map(|(unread, page)| unread.members_read(page, claim.clone()));
        let added = self.shared.ledger.add_members(pages.collect()).await;
        self.pulse.hear(&added);
        let added = added?;
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
                intent: ClaimedFor::Calls,
            };
            all.extend(of_run.map(held));
        }
        Ok(all)
    }
}

/// Deals the members of a page out to the chunks that were made of it, in the same order.
fn with_members(
    chunks: Vec<Chunk>,
    members: Vec<Member>,
    position: LogPosition,
) -> impl Iterator<Item = (Chunk, ReadMembers)> {
    let mut members = members.into_iter();
    chunks.into_iter().map(move |chunk| {
        let members = members.by_ref().take(chunk.open.len()).collect();
        (chunk, ReadMembers { members, position })
    })
}
