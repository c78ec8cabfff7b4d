//! How a user's work ended, and why: a closed set (A2).

use std::fmt;
use std::str::FromStr;

use cohort_preferences::{FeatureType, JobId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{FiringName, LedgerError, Repeated, RepeatedWork, RunId};

/// How one user's work in one run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The user's place in the run.
    pub ordinal: u64,
    /// The Config Database's number for the tenant.
    pub number: u64,
    /// How it ended.
    pub status: Status,
    /// What the handler or the network said, if it failed.
    pub detail: Option<String>,
    /// How often the handler was called.
    pub attempts: u32,
    /// The version of the preference that was used; `None` if none was.
    pub preference_version: Option<u64>,
    /// Whether the settings were older than the feed could vouch for (M3).
    pub stale: bool,
    /// What the handler returned (D11).
    pub result: Option<serde_json::Value>,
    /// The version of the purpose that made it (D15); `None` if nobody was called, or if the
    /// purpose is not stored.
    pub purpose_version: Option<u32>,
    /// The work that it repeats; `None` in every run but a rerun (D13).
    pub repeats: Option<Repeated>,
}

/// How a user's work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The handler said so.
    Succeeded,
    /// It failed, and will not be tried again by itself.
    Failed(FailedReason),
    /// It was not tried, or no longer.
    Skipped(SkippedReason),
}

/// A status without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of Status")]
pub enum StatusName {
    Succeeded,
    Failed,
    Skipped,
    /// It failed, and an operator has it tried again (D6).
    Requeued,
}

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// The reason as it stands in the record.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for $name {
            type Err = LedgerError;

            fn from_str(text: &str) -> Result<Self, LedgerError> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err(LedgerError::Corrupt(format!("the reason {other:?}"))),
                }
            }
        }
    };
}

reasons! {
    /// Why a user was skipped (A2).
    SkippedReason {
        /// The user has switched the feature off (M2).
        Disabled = "disabled",
        /// The preference or the tenant is gone (M2, W8).
        Deleted = "deleted",
        /// The user has snoozed past the occurrence (M2).
        Snoozed = "snoozed",
        /// The user has asked to skip this occurrence (M2).
        SkippedByUser = "skipped_by_user",
        /// The job has run the user already on this nominal date (M6).
        AlreadyRan = "already_ran",
        /// An earlier run of the user is still open, and another one waits (F10).
        Overlap = "overlap",
        /// The job was paused.
        JobPaused = "job_paused",
        /// An operator canceled the run.
        Canceled = "canceled",
        /// The purpose's handler has said that it is gone.
        PurposeDisabled = "purpose_disabled",
        /// The purpose's budget was used up (D8).
        OverBudget = "over_budget",
        /// The job's deadline had passed before an attempt could begin (D7).
        Expired = "expired",
    }
}

reasons! {
    /// Why members of an occurrence were missed (A2).
    MissedReason {
        /// Nothing ran when the occurrence was due, and afterwards it was too late, or no longer
        /// the latest (F1).
        Downtime = "downtime",
        /// The job skips what it missed (F1).
        MisfireSkip = "misfire_skip",
        /// More than 100 occurrences were missed (F1).
        MisfireLimit = "misfire_limit",
        /// The member list could not be read within the catch-up window (F4, M8).
        MembersUnreadable = "members_unreadable",
    }
}

reasons! {
    /// Why a user's work failed (A2).
    FailedReason {
        /// The handler refused the user for good (D4).
        Rejected = "rejected",
        /// The work could have succeeded later, but no attempt or no time was left (D4).
        RetriesExhausted = "retries_exhausted",
        /// The handler's answer breaks the contract; the work was probably done (D4).
        BadAnswer = "bad_answer",
        /// The workers that tried the user died (D5).
        Poison = "poison",
        /// Whether the work was done is unknown, and it may not be tried again (D2).
        UnknownResult = "unknown_result",
    }
}

/// Why an occurrence is recorded but not processed: its members have no outcome of their own (A1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnprocessedReason {
    /// They were missed.
    Missed(MissedReason),
    /// They were skipped, because the job was paused.
    JobPaused,
    /// They were skipped, because an operator canceled the run before they were read.
    Canceled,
}

impl UnprocessedReason {
    /// The reason as it stands in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missed(reason) => reason.as_str(),
            Self::JobPaused => SkippedReason::JobPaused.as_str(),
            Self::Canceled => SkippedReason::Canceled.as_str(),
        }
    }
}

impl FromStr for UnprocessedReason {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let skipped =
            [Self::JobPaused, Self::Canceled].into_iter().find(|reason| reason.as_str() == text);
        skipped.map_or_else(|| text.parse().map(Self::Missed), Ok)
    }
}

impl Serialize for UnprocessedReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Status {
    /// The status without its reason.
    pub fn name(self) -> StatusName {
        match self {
            Self::Succeeded => StatusName::Succeeded,
            Self::Failed(_) => StatusName::Failed,
            Self::Skipped(_) => StatusName::Skipped,
        }
    }

    /// The reason; `None` where it succeeded.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Succeeded => None,
            Self::Failed(reason) => Some(reason.as_str()),
            Self::Skipped(reason) => Some(reason.as_str()),
        }
    }
}

impl fmt::Display for StatusName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Requeued => "requeued",
        })
    }
}

impl StatusName {
    /// The status as it stands in the record.
    pub(crate) const fn code(self) -> i32 {
        match self {
            Self::Succeeded => 0,
            Self::Failed => 1,
            Self::Skipped => 2,
            Self::Requeued => 3,
        }
    }

    pub(crate) fn from_code(code: i32) -> Result<Self, LedgerError> {
        match code {
            0 => Ok(Self::Succeeded),
            1 => Ok(Self::Failed),
            2 => Ok(Self::Skipped),
            3 => Ok(Self::Requeued),
            other => Err(LedgerError::Corrupt(format!("the status {other}"))),
        }
    }
}

/// An outcome as lists and the feed show it.
#[derive(Debug, Clone, Serialize)]
pub struct OutcomeRecord {
    /// The job.
    pub job_id: JobId,
    /// The run.
    pub run_id: RunId,
    /// The feature that the job serves.
    pub feature_type: FeatureType,
    /// The user; an erased user's name is replaced (W8).
    pub tenant_id: TenantId,
    /// The occurrence.
    pub nominal: FiringName,
    /// The time zone of the nominal time.
    pub timezone: String,
    /// The occurrence's instant.
    pub scheduled_at: Timestamp,
    /// How it ended.
    pub status: StatusName,
    /// Why it ended so; null where it succeeded.
    pub reason: Option<String>,
    /// What the handler or the network said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How often the handler was called.
    pub attempts: u32,
    /// The idempotency key of the user's work (D1).
    pub key: String,
    /// The chunk that the user was in.
    pub chunk: i64,
    /// The version of the preference that was used.
    pub preference_version: Option<u64>,
    /// The version of the purpose that made it (D15); null where nobody was called, and for a
    /// purpose that is not stored.
    pub purpose_version: Option<u32>,
    /// The work that it repeats, in a rerun (D13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<RepeatedWork>,
    /// Whether the settings were older than the feed could vouch for (M3).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// What the handler returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
    /// When it was recorded.
    pub finished_at: Timestamp,
}
