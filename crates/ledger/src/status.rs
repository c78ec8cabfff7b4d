//! What somebody on call asks first: how much is open, since when, how fast it goes, and what went
//! wrong lately (A4); and whether the ledger can be written at all (F12).
//!
//! Whatever is asked here takes time with the runs that are open or had trouble lately, and with
//! the latest recordings, however many outcomes there are.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;

use crate::LedgerError;
use crate::sealed::Sealed;

/// The most of the latest recordings that are looked at to tell how fast work ends.
pub(crate) const RECORDINGS_LOOKED_AT: i64 = 20_000;

/// How the work of one job stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobWork {
    /// Its runs that are open.
    pub runs_open: u64,
    /// Since when the longest waiting of them is due; of a run that was closed before and opened
    /// again by a requeue, since its users wait. `None` if none is open.
    pub due_since: Option<Timestamp>,
    /// Users of open runs who have been read and have no outcome yet.
    pub users_open: u64,
    /// Groups of runs whose members are still being read.
    pub reading: Vec<ReadingGroup>,
    /// Users whose work was recorded since the first instant asked for.
    pub ended: u64,
    /// Users who have failed, of runs due since the second instant asked for.
    pub failed: u64,
    /// Users who were missed, of runs due since the second instant asked for.
    pub missed: u64,
}

/// A group of which a run is still being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingGroup {
    /// Which group.
    pub group: PreferenceGroup,
    /// How many of its members have been read.
    pub read: u64,
}

/// The part of the ledger that tells how it stands.
#[async_trait]
pub trait StatusLedger: Sealed {
    /// Writes a row that is there for this only, and returns once that is on disk.
    async fn prove_writable(&self, now: Timestamp) -> Result<(), LedgerError>;

    /// Returns how the work of each job stands that has any, or had some lately: whose work was
    /// recorded after `ended_since`, and who failed or was missed in runs due after
    /// `trouble_since`.
    async fn job_work(
        &self,
        ended_since: Timestamp,
        trouble_since: Timestamp,
    ) -> Result<BTreeMap<JobId, JobWork>, LedgerError>;
}

/// What a row tells of a job.
pub(crate) enum Told {
    Open { runs: u64, due_since: Timestamp, users: u64 },
    Reading(ReadingGroup),
    Finished(u64),
    Trouble { failed: u64, missed: u64 },
}

/// Puts together what the rows tell.
pub(crate) fn by_job(rows: impl IntoIterator<Item = (JobId, Told)>) -> BTreeMap<JobId, JobWork> {
    let mut jobs: BTreeMap<JobId, JobWork> = BTreeMap::new();
    for (job, told) in rows {
        let work = jobs.entry(job).or_default();
        match told {
            Told::Open { runs, due_since, users } => {
                work.runs_open = runs;
                work.due_since = Some(due_since);
                work.users_open = users;
            }
            Told::Reading(group) => work.reading.push(group),
            Told::Finished(users) => work.ended = users,
            Told::Trouble { failed, missed } => {
                work.failed = failed;
                work.missed = missed;
            }
        }
    }
    jobs
}
