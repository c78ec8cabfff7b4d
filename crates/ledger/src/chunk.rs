//! A chunk: at most 25 users of one run, who holds it, and what an attempt made of it.

use cohort_preferences::{StatedGroup, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::json::to_json;
use crate::{OpenMember, Outcome, Run, RunId};

/// At most 25 users of one run, claimed by this agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Its number.
    pub id: i64,
    /// The run that its users belong to.
    pub run: RunId,
    /// The members whose outcome is still open.
    pub open: Vec<OpenMember>,
    /// Attempts begun before this claim.
    pub attempts: u32,
    /// Proves that the claim is this one (F3).
    pub token: i64,
    /// How many of its holders have died while they held it (D5).
    pub deaths: u32,
    /// The chunk that was split into this one and others; `None` for a chunk that was made of a
    /// page.
    pub split_from: Option<i64>,
}

/// How far a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChunkState {
    /// It waits for an agent to claim it.
    Ready,
    /// An agent has claimed it.
    Claimed,
    /// Each of its users has an outcome.
    Done,
}

impl ChunkState {
    /// The state as it stands in the record.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Claimed => "claimed",
            Self::Done => "done",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Ready, Self::Claimed, Self::Done].into_iter().find(|state| state.as_str() == name)
    }
}

impl Chunk {
    /// The token of a chunk that is born claimed; each later claim raises it.
    pub(crate) const FIRST_TOKEN: i64 = 1;

    /// A chunk that was just made of a page, claimed by the agent that read the page.
    pub(crate) fn born_claimed(id: i64, run: RunId, open: Vec<OpenMember>) -> Self {
        let (token, attempts, deaths) = (Self::FIRST_TOKEN, 0, 0);
        Self { id, run, open, attempts, token, deaths, split_from: None }
    }
}

/// A page of members on its way into chunks.
#[derive(Debug)]
pub struct MembersRead<'a> {
    /// The run; its cursor says which page this is.
    pub run: &'a Run,
    /// Every stated group whose members the run has.
    pub stated: Vec<StatedGroup>,
    /// The members: number and name, ascending by number.
    pub members: Vec<(u64, TenantId)>,
    /// Where the next page begins; `None` if this was the last.
    pub next_cursor: Option<String>,
    /// The most users in a chunk.
    pub chunk_size: usize,
    /// Who holds the chunks.
    pub claim: Claim,
}

/// Who claims chunks, when, and for how long.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The agent's name.
    pub holder: String,
    /// Now.
    pub at: Timestamp,
    /// When the claim ends if it is not renewed.
    pub lease_until: Timestamp,
}

/// What an attempt made of a chunk.
#[derive(Debug, Clone)]
pub struct ChunkResult {
    /// The chunk's number.
    pub chunk: i64,
    /// Its run.
    pub run: RunId,
    /// The token of the claim under which the attempt was made.
    pub token: i64,
    /// Attempts begun, this one included.
    pub attempts: u32,
    /// The outcomes of the members that are done.
    pub outcomes: Vec<Outcome>,
    /// The members that may succeed later, and when to try; `None` if there are none.
    pub rest: Option<(Vec<OpenMember>, Timestamp)>,
    /// The attempts at members of the rest who were called.
    pub retried: Vec<RetriedAttempt>,
    /// Now.
    pub at: Timestamp,
}

/// An attempt after which the member is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetriedAttempt {
    /// The member's place in the run.
    pub ordinal: u64,
    /// The Config Database's number for the tenant.
    pub number: u64,
    /// Which attempt it was, counted from 1.
    pub attempt: u32,
    /// What the handler or the network said.
    pub error: Option<String>,
}

/// What becomes of a chunk when its result is recorded.
pub(crate) struct ChunkAfter {
    /// Ready for those who are tried again, or done.
    pub(crate) state: ChunkState,
    /// The members who are still open, as JSON.
    pub(crate) open_members: String,
    /// When it may be claimed.
    pub(crate) ready_at: Timestamp,
}

impl ChunkResult {
    /// The result of a chunk whose open members go on in chunks of their own (D5): it is done, and
    /// nothing is recorded.
    pub(crate) fn split(chunk: &Chunk, now: Timestamp) -> Self {
        Self {
            chunk: chunk.id,
            run: chunk.run,
            token: chunk.token,
            attempts: chunk.attempts,
            outcomes: Vec::new(),
            rest: None,
            retried: Vec::new(),
            at: now,
        }
    }

    /// What becomes of the chunk: it is ready again if members are left, and otherwise done.
    pub(crate) fn chunk_after(&self) -> ChunkAfter {
        match &self.rest {
            Some((open, at)) => {
                ChunkAfter { state: ChunkState::Ready, open_members: to_json(open), ready_at: *at }
            }
            None => {
                ChunkAfter { state: ChunkState::Done, open_members: "[]".into(), ready_at: self.at }
            }
        }
    }

    /// The first and the last place in the run that has an outcome here; `None` without outcomes.
    pub(crate) fn ordinals(&self) -> Option<(u64, u64)> {
        let ordinals = || self.outcomes.iter().map(|outcome| outcome.ordinal);
        ordinals().min().zip(ordinals().max())
    }

    /// Whether members are left whom any agent may take over now.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_ready_at_once(&self) -> bool {
        self.rest.as_ref().is_some_and(|(_, at)| *at <= self.at)
    }
}
