//! Reading the members of a run, page by page, into chunks (M1, M8).

use std::sync::Arc;

use cohort_preferences::{FeatureType, JobId, Member, MemberPage, MembersRequest, PreferenceGroup, StatedGroup};
use jiff::{SignedDuration, Timestamp};

use super::{CLAIM_USERS, Claimed, Inner, JobInForce, ProcessError};
use crate::ledger::{Chunk, MembersRead, MissedReason, Run};
use crate::scheduler::{Seen, saturating_add};

/// The first pause after a fault; it doubles with each.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The longest pause after a fault.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// How long work waits whose job is not served here.
pub(super) const PAUSE_OF_UNKNOWN_JOB: SignedDuration = SignedDuration::from_mins(10);

/// Why a page of members cannot be used; the run waits and is read again.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error("reading the members")]
    Source(#[from] crate::source::SourceError),
    #[error("the change feed has not reached the occurrence's instant")]
    FeedBehind,
    #[error("the list has {listed} members, the group counted {counted} as of the same instant")]
    CountDiffers { listed: u64, counted: u64 },
}

/// A preference group of a job at an instant.
pub(crate) struct GroupAt<'a> {
    pub(crate) job_id: &'a JobId,
    pub(crate) feature_type: &'a FeatureType,
    pub(crate) group: &'a PreferenceGroup,
    pub(crate) stated: &'a [StatedGroup],
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
        let Some(job) = self.find_job(&run.job_id) else {
            tracing::warn!(job_id = %run.job_id, run = %run.id, "a job with an open run is not served here; its run waits");
            self.ledger.postpone_reading(run.id, saturating_add(self.clock.now(), PAUSE_OF_UNKNOWN_JOB)).await?;
            return Ok(Vec::new());
        };
        let seen = self.watch.seen();
        match self.fetch_page(&run).await {
            Ok((stated, page)) => {
                let members = page.members.iter().map(|member| (member.number, member.tenant_id.clone())).collect();
                let read = MembersRead {
                    run: &run,
                    stated,
                    members,
                    next_cursor: page.next_cursor,
                    chunk_size: job.job.chunk_size,
                    claim: self.claim_now(),
                };
                // Another agent may have read the same page; then its chunks are that agent's.
                let chunks = self.ledger.add_members(read).await?.unwrap_or_default();
                let run = Arc::new(run);
                Ok(with_members(chunks, page.members, seen).map(|(chunk, read)| claimed(chunk, read, &run, &job)).collect())
            }
            Err(error) => {
                self.wait_or_give_up(&run, job.job.catchup_window(run.group.frequency()), &error).await?;
                Ok(Vec::new())
            }
        }
    }

    async fn fetch_page(&self, run: &Run) -> Result<(Vec<StatedGroup>, MemberPage), PageError> {
        let stated = self.stated_groups(run).await?;
        let request = MembersRequest {
            feature_type: run.feature_type.clone(),
            groups: stated.clone(),
            as_of: run.occurrence.at,
            cursor: run.cursor.clone(),
            limit: Some(CLAIM_USERS),
        };
        let page = self.source.members(&request).await?;
        let listed = run.counts.members + page.members.len() as u64;
        if page.next_cursor.is_none() && listed != page.count_as_of {
            return Err(PageError::CountDiffers { listed, counted: page.count_as_of });
        }
        Ok((stated, page))
    }

    /// The stated groups whose members the run has. Before the first page, the feed must have reached the occurrence's
    /// instant: a group that came to be just before it may become part of the same preference group.
    async fn stated_groups(&self, run: &Run) -> Result<Vec<StatedGroup>, PageError> {
        if run.cursor.is_some() {
            return Ok(run.stated.clone());
        }
        if self.watch.known_until() < run.occurrence.at {
            self.watch.sync().await?;
        }
        if self.watch.known_until() < run.occurrence.at {
            return Err(PageError::FeedBehind);
        }
        let mut stated = self.schedules.stated(&run.job_id, &run.group);
        stated.extend(run.stated.iter().filter(|group| !stated.contains(group)).cloned().collect::<Vec<_>>());
        Ok(stated)
    }

    /// The run is read again after a pause, until its catch-up window ends; then its members are missed (F4).
    async fn wait_or_give_up(&self, run: &Run, window: SignedDuration, error: &PageError) -> Result<(), ProcessError> {
        let now = self.clock.now();
        if now <= saturating_add(run.occurrence.at, window) {
            tracing::warn!(error = error as &dyn std::error::Error, run = %run.id, group = %run.group, "the members of a run cannot be read yet");
            let pause = PAUSE.saturating_mul(1 << run.read_faults.min(10)).min(LONGEST_PAUSE);
            self.ledger.postpone_reading(run.id, saturating_add(now, pause)).await?;
            return Ok(());
        }
        tracing::error!(error = error as &dyn std::error::Error, run = %run.id, group = %run.group, "the members of a run could not be read within its catch-up window");
        self.ledger.give_up_reading(run.id, MissedReason::MembersUnreadable, self.unread_members(run).await, now).await?;
        Ok(())
    }

    /// How many members were never read.
    async fn unread_members(&self, run: &Run) -> u64 {
        let (job_id, feature_type, group, stated) = (&run.job_id, &run.feature_type, &run.group, &run.stated);
        let members = self.count_members(GroupAt { job_id, feature_type, group, stated, instant: run.occurrence.at }).await;
        members.saturating_sub(run.counts.members)
    }

    /// The size of a group as of an instant, or as last known if the Config Database cannot be asked (F4).
    pub(super) async fn count_members(&self, asked: GroupAt<'_>) -> u64 {
        let request = MembersRequest {
            feature_type: asked.feature_type.clone(),
            groups: asked.stated.to_vec(),
            as_of: asked.instant,
            cursor: None,
            limit: Some(1),
        };
        match self.source.members(&request).await {
            Ok(page) => page.count_as_of,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, group = %asked.group, "missed members are counted as last known");
                self.schedules.members(asked.job_id, asked.group)
            }
        }
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
