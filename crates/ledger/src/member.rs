//! A member of a chunk whose outcome is still open, and what a requeue makes of it (D6).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Repeated, Run};

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
    /// The requeue by which an operator has the member tried again; `None` if there was none (D6).
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub requeued: Option<Requeued>,
    /// The work that a rerun does again for the member; `None` in every other run (D13).
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeated>,
    /// How many attempts have used up a retry since the member last became due (D12).
    #[serde(rename = "c", default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// The last attempt, if the whole call failed and it is not known yet whether that uses up a
    /// retry (D12).
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedCall>,
    /// When the member may be called at the earliest; `None` at any time.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// A call that failed as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedCall {
    /// When it began.
    #[serde(rename = "b")]
    pub began: Timestamp,
    /// When it failed.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// What the handler or the network said.
    #[serde(rename = "e")]
    pub error: String,
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

/// An operator's requeue of a member who had failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Requeued {
    /// When the member was requeued.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// How often the handler had been called for the member before.
    #[serde(rename = "a")]
    pub attempts_before: u32,
    /// What makes the member's key differ from that of the occurrence (D1); `None` if it does not.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub key_nonce: Option<String>,
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
            repeats: None,
            failures: 0,
            failed: None,
            not_before: None,
        };
        (first..).zip(numbers).map(member).collect()
    }

    /// A member of a rerun.
    pub(crate) fn repeating(ordinal: u64, number: u64, repeated: Repeated) -> Self {
        let (settings, requeued) = (None, None);
        Self {
            ordinal,
            number,
            attempts: 0,
            settings,
            requeued,
            repeats: Some(repeated),
            failures: 0,
            failed: None,
            not_before: None,
        }
    }

    /// A member who failed and is to be tried again.
    pub(crate) fn requeued(
        ordinal: u64,
        number: u64,
        requeued: Requeued,
        repeats: Option<Repeated>,
    ) -> Self {
        Self {
            ordinal,
            number,
            attempts: requeued.attempts_before,
            settings: None,
            requeued: Some(requeued),
            repeats,
            failures: 0,
            failed: None,
            not_before: None,
        }
    }

    /// Whether nothing has happened to the member yet: no call of the handler, and no requeue.
    pub fn is_unbegun(&self) -> bool {
        self.attempts == 0 && self.requeued.is_none()
    }

    /// How often the handler was called since the member last became due: as part of the
    /// occurrence, or by a requeue.
    pub fn attempts_of_turn(&self) -> u32 {
        self.attempts - self.requeued.as_ref().map_or(0, |requeued| requeued.attempts_before)
    }

    /// Whether the next call would be a retry (D4).
    pub fn is_retry(&self) -> bool {
        self.attempts_of_turn() > 0
    }

    /// The instant from which the job's deadline counts (D7).
    pub fn due_at(&self, run: &Run) -> Timestamp {
        self.requeued.as_ref().map_or(run.occurrence.at, |requeued| requeued.at)
    }

    /// What makes the member's key differ from that of the occurrence; `None` if it does not.
    pub fn key_nonce(&self) -> Option<&str> {
        self.requeued.as_ref()?.key_nonce.as_deref()
    }
}
