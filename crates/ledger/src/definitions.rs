//! Jobs and purposes as the ledger keeps them: documents in versions, none of which is ever
//! overwritten.
//!
//! ```text
//! definitions ──► the apply decides, elsewhere ──► store_definitions, if nobody was faster
//!      ▲                                                    │
//!      └────── definition_revision grows, agents read again ◄┘
//! ```
//!
//! The revision is one counter for everything that is stored here, pauses included: to learn
//! whether something has changed, one asks for one number. An edit names the revision that it was
//! decided on, so that of two applies at once neither undoes the other unseen.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::LedgerError;
use crate::sealed::Sealed;

/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefinitionKind {
    /// A job.
    Job,
    /// A purpose.
    Purpose,
}

impl DefinitionKind {
    /// The kind as it stands in the record.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Purpose => "purpose",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Job, Self::Purpose].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One version of a job or a purpose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Definition {
    /// Whether it is a job or a purpose.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: String,
    /// Counted from 1; a job that is removed and comes back goes on counting.
    pub version: u32,
    /// What was applied; `None` if it was removed with this version.
    pub document: Option<Value>,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Who applied it: the name of a key, or of an agent that applied it when it started.
    pub applied_by: String,
}

/// An interval in which a job plans nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Its start, which belongs to it.
    #[serde(rename = "paused_at")]
    pub from: Timestamp,
    /// Its end, which does not; `None` while it lasts.
    #[serde(rename = "resumed_at")]
    pub until: Option<Timestamp>,
}

impl Pause {
    /// Whether the job is still paused.
    pub fn lasts(&self) -> bool {
        self.until.is_none()
    }

    /// Whether the pause covers an instant.
    pub fn covers(&self, instant: Timestamp) -> bool {
        self.from <= instant && self.until.is_none_or(|until| instant < until)
    }
}

/// Everything that is stored at one revision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredDefinitions {
    /// The revision that they were read at.
    pub revision: u64,
    /// The latest version of each job and purpose, removed ones too, by kind and name.
    pub latest: Vec<Definition>,
    /// The last pause of each job that ever had one.
    pub pauses: BTreeMap<JobId, Pause>,
}

impl StoredDefinitions {
    /// The latest version of a job or a purpose.
    pub fn find(&self, kind: DefinitionKind, name: &str) -> Option<&Definition> {
        self.latest.iter().find(|definition| definition.kind == kind && definition.name == name)
    }

    /// The removals of a kind that no later version has taken back.
    pub fn removed(&self, kind: DefinitionKind) -> impl Iterator<Item = &Definition> {
        let is_removed = move |definition: &&Definition| {
            definition.kind == kind && definition.document.is_none()
        };
        self.latest.iter().filter(is_removed)
    }
}

/// What an apply does to a job or a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alteration {
    /// It is new, or comes back after it was removed.
    Created,
    /// It differs from before.
    Updated,
    /// It stays as it is.
    Unchanged,
    /// It ends.
    Removed,
}

/// Versions to store together, or not at all.
#[derive(Debug, Clone)]
pub struct DefinitionEdit {
    /// The revision on which the edit was decided; if the ledger is at another by now, nothing is
    /// stored.
    pub based_on: u64,
    /// The new versions, each with what it does to its definition.
    pub versions: Vec<(Alteration, Definition)>,
    /// What an agent has applied when it started, so that its next start with the same changes
    /// nothing; `None` if a person applied it.
    pub start: Option<StartedWith>,
}

/// What an agent was last started with.
#[derive(Debug, Clone, PartialEq)]
pub struct StartedWith {
    /// The agent's name in claims.
    pub agent: String,
    /// The documents of its batch config.
    pub documents: Value,
}

/// The part of the ledger that keeps jobs and purposes.
#[async_trait]
pub trait DefinitionLedger: Sealed {
    /// Returns a number that grows with everything that is stored here. It is cheap to ask.
    async fn definition_revision(&self) -> Result<u64, LedgerError>;

    /// Returns everything that is stored now.
    async fn definitions(&self) -> Result<StoredDefinitions, LedgerError>;

    /// Returns every version of a job or a purpose, oldest first.
    async fn definition_versions(
        &self,
        kind: DefinitionKind,
        name: &str,
    ) -> Result<Vec<Definition>, LedgerError>;

    /// Stores new versions. A job that is created starts at the instant of its version (F1), and is
    /// not paused.
    ///
    /// # Errors
    /// [`LedgerError::RevisionMoved`] if something was stored since the edit was decided.
    async fn store_definitions(&self, edit: DefinitionEdit) -> Result<(), LedgerError>;

    /// Returns the documents with which this agent was last started; `None` if it never was with a
    /// batch config.
    async fn started_with(&self, agent: &str) -> Result<Option<Value>, LedgerError>;

    /// Pauses a job from `now` on. Returns `false` if it was paused already.
    async fn pause_job(&self, job: &JobId, now: Timestamp) -> Result<bool, LedgerError>;

    /// Ends a job's pause. Returns `false` if it was not paused.
    async fn resume_job(&self, job: &JobId, now: Timestamp) -> Result<bool, LedgerError>;
}
