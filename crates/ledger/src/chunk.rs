//! A chunk: at most 25 users of one run, who holds it, and what an attempt made of it.

use cohort_preferences::{StatedGroup, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::json::to_json;
use crate::{Outcome, Requeued, Run, RunId};

/// At most 25 users of one run, claimed by this agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Its number.
    pub id: i64,
    /// Of which run.
    pub run: RunId,
    /// Whose outcome is still open.
    pub open: Vec<OpenMember>,
    /// Attempts begun before this claim.
    pub attempts: u32,
    /// Proves that the claim is this one (F3).
    pub token: i64,
    /// How many of its holders have died with it in hand (D5).
    pub deaths: u32,
    /// The chunk that was split into this one and others; `None` for one that was made of a page.
    pub split_from: Option<i64>,
}

/// A member of a chunk without an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenMember {
    /// The member's place in the run.
    #[serde(rename = "o")]
    pub ordinal: u64,
    /// The Config Database's number for the tenant.
    #[serde(rename = "n")]
    pub number: u64,
    /// How often the handler was called for the member.
    #[serde(rename = "a", default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// The settings of the first attempt, which retries reuse (M3); `None` before it.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<UsedSettings>,
    /// That an operator requeued the member after a failure; `None` if not (D6).
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub requeued: Option<Requeued>,
}

impl OpenMember {
    /// Members of a new chunk, whose places in the run begin at `first`.
    pub(crate) fn in_order(first: u64, numbers: &[u64]) -> Vec<Self> {
        let member = |(ordinal, number): (u64, &u64)| Self {
            ordinal,
            number: *number,
            attempts: 0,
            settings: None,
            requeued: None,
        };
        (first..).zip(numbers).map(member).collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(attempts: &u32) -> bool {
    *attempts == 0
}

/// The settings that an attempt used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsedSettings {
    /// The preference's version (W2); 0 for a tenant who was served without one.
    #[serde(rename = "v")]
    pub version: u64,
    /// The overrides, defaults merged in.
    #[serde(rename = "t")]
    pub template_overrides: serde_json::Map<String, serde_json::Value>,
    /// When they were read.
    #[serde(rename = "r")]
    pub read_at: Timestamp,
    /// Whether they were older than the feed could vouch for (M3).
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

impl UsedSettings {
    /// The version of the preference that was used; `None` if there was none.
    pub fn stated_version(&self) -> Option<u64> {
        (self.version > 0).then_some(self.version)
    }
}

/// A page of members on its way into chunks.
#[derive(Debug)]
pub struct MembersRead<'a> {
    /// Of which run; its cursor says which page.
    pub run: &'a Run,
    /// Every stated group whose members the run has.
    pub stated: Vec<StatedGroup>,
    /// The members: number and name, ascending by number.
    pub members: Vec<(u64, TenantId)>,
    /// Where the next page begins; `None` if this was the last.
    pub next_cursor: Option<String>,
    /// The most users a chunk.
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
    /// Which chunk, under which claim.
    pub chunk: i64,
    /// Its run.
    pub run: RunId,
    /// The claim's token.
    pub token: i64,
    /// Attempts begun, this one included.
    pub attempts: u32,
    /// The members that are done.
    pub outcomes: Vec<Outcome>,
    /// The members that may succeed later, and when to try.
    pub rest: Option<(Vec<OpenMember>, Timestamp)>,
    /// Those of the rest who were called, and what was said.
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
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// What the handler or the network said.
    pub error: Option<String>,
}

impl ChunkResult {
    /// What becomes of the chunk: its state, who of it is still open, as JSON, and from when on it
    /// may be claimed.
    pub(crate) fn rest_of_chunk(&self) -> (&'static str, String, Timestamp) {
        match &self.rest {
            Some((open, at)) => ("ready", to_json(open), *at),
            None => ("done", "[]".into(), self.at),
        }
    }

    /// Whether there is work left that anybody may take over now.
    pub(crate) fn is_ready_at_once(&self) -> bool {
        self.rest.as_ref().is_some_and(|(_, at)| *at <= self.at)
    }
}
