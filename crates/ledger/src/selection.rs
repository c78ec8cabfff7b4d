//! What an operator means: one selection for all operations (D6, D13, D14).
//!
//! A selection of runs says which runs; the rest of it says which of their users, by how their work
//! ended. Nothing given restricts nothing. The same selection read by both databases means the same
//! (`conformance`).

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sealed::Sealed;
use crate::{FiringName, LedgerError, RunId, StatusName};

/// Which runs, and whose work in them. Users are the Config Database's numbers, so that a selection
/// that is stored names nobody (W8).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Only this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Only runs of this name, as of one trigger or rerun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nominal: Option<FiringName>,
    /// Only runs of these jobs; of all if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobId>,
    /// Only runs of this instant or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only runs of before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only work of these users; of all if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<u64>,
    /// Only work that ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusName>,
    /// Only work that ended for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only work whose last error contains this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Only work that had ended by then: who is done again and ends once more is not meant again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Timestamp>,
    /// Whether work of reruns is left out: it stands for work that is selected itself (D13).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_reruns: bool,
}

/// Work that is selected: a user's place in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedWork {
    /// The run.
    pub run: RunId,
    /// The user's place in the run.
    pub ordinal: u64,
    /// The user's name.
    pub tenant_id: TenantId,
}

/// How much is selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SelectedCount {
    /// Users, each counted once.
    pub users: u64,
    /// Outcomes; more than users where somebody has several.
    pub outcomes: u64,
}

/// Open runs that are selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OpenRuns {
    /// Runs that are neither closed nor canceled.
    pub runs: u64,
    /// Users in them who have no outcome yet, as far as they were read.
    pub users: u64,
}

/// The part of the ledger that finds what an operator means.
#[async_trait]
pub trait SelectionLedger: Sealed {
    /// Returns work that has ended and is selected: newest run first, and last place first. With
    /// `before`, only work that comes after this place in that order.
    async fn selected(
        &self,
        selection: &Selection,
        before: Option<(RunId, u64)>,
        limit: usize,
    ) -> Result<Vec<SelectedWork>, LedgerError>;

    /// Counts work that has ended and is selected.
    async fn count_selected(&self, selection: &Selection) -> Result<SelectedCount, LedgerError>;

    /// Returns some users whose work is selected, each once and by name.
    async fn selected_users(
        &self,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<TenantId>, LedgerError>;

    /// Counts the open runs that are selected by what is said of runs.
    async fn count_open_runs(&self, selection: &Selection) -> Result<OpenRuns, LedgerError>;

    /// Returns the numbers of those of these users whom the ledger knows.
    async fn tenant_numbers(
        &self,
        names: Vec<TenantId>,
    ) -> Result<HashMap<TenantId, u64>, LedgerError>;
}
