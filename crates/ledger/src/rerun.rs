//! Reruns: work that has ended is done again, because an operator asked for it (D13).
//!
//! ```text
//! open_reruns ──► run: reading, with its selection
//!                   │ repeated_page: work that is selected, newest run first
//!                   ▼
//!                 queue_repeated: who is not in it yet ──► ready chunks ──► as any other work
//! ```
//!
//! Opening writes one row a job, however many users are meant. They are read page by page as agents
//! come to it, as the members of an occurrence are, and the run's cursor elects the reader of each
//! page. A user is in a rerun once: for the newest work of those that are selected.
//!
//! What may fail: work that was selected is requeued or no longer kept before its page is read;
//! then nobody does it again.

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;

use crate::sealed::Sealed;
use crate::{LedgerError, NewRun, Repeated, Run, RunId, Selection};

/// A rerun to open for a job.
#[derive(Debug, Clone)]
pub struct NewRerun {
    /// The job, whose runs the selection names alone.
    pub job: JobId,
    /// The run.
    pub run: NewRun,
    /// Whose work is done again.
    pub selection: Selection,
}

/// Work that is selected to be done again.
#[derive(Debug, Clone, PartialEq)]
pub struct RepeatedMember {
    /// The Config Database's number for the user.
    pub number: u64,
    /// The work.
    pub repeats: Repeated,
}

/// A page of what a rerun does again.
#[derive(Debug, Clone, PartialEq)]
pub struct RepeatedPage {
    /// The work, newest run first.
    pub members: Vec<RepeatedMember>,
    /// Where the next page begins; `None` after the last.
    pub next_cursor: Option<String>,
}

/// The part of the ledger that has work done again.
#[async_trait]
pub trait RerunLedger: Sealed {
    /// Opens the runs of a rerun, in one transaction, and returns those that there are of its name:
    /// a rerun that was opened before under the same name stays as it is.
    async fn open_reruns(
        &self,
        reruns: Vec<NewRerun>,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError>;

    /// Returns the next page of what a rerun does again.
    async fn repeated_page(&self, run: &Run, limit: usize) -> Result<RepeatedPage, LedgerError>;

    /// Puts those of a page who are not in the rerun yet into chunks of this size that wait to be
    /// claimed. Returns how many they are; `None` if another agent has done it, or if the run was
    /// canceled.
    async fn queue_repeated(
        &self,
        run: &Run,
        page: RepeatedPage,
        chunk_size: usize,
        now: Timestamp,
    ) -> Result<Option<u64>, LedgerError>;

    /// Counts users whom a rerun has not come to.
    async fn unread_of_rerun(&self, run: &Run) -> Result<u64, LedgerError>;
}

/// The place that a rerun's cursor names; `None` at the beginning.
pub(crate) fn read_cursor(run: &Run) -> Result<Option<(RunId, u64)>, LedgerError> {
    let Some(text) = run.cursor.as_deref() else { return Ok(None) };
    let parts = text
        .split_once(':')
        .and_then(|(run, ordinal)| Some((RunId(run.parse().ok()?), ordinal.parse().ok()?)));
    parts.map(Some).ok_or_else(|| LedgerError::Corrupt(format!("the cursor {text:?} of a rerun")))
}

/// The cursor after the last place of a page; `None` if the page was the last.
pub(crate) fn cursor_after(places: &[(i64, i64)], limit: usize) -> Option<String> {
    let (run, ordinal) = places.last().filter(|_| places.len() == limit)?;
    Some(format!("{run}:{ordinal}"))
}
