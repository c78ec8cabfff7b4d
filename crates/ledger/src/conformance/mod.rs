//! What every ledger promises, as functions that are run on both databases.
//!
//! Each promise begins with an empty ledger, and with another handle to it, as a second process
//! would have one.
//!
//! Planted on PostgreSQL, one after another, and red: a page is taken without a look at the cursor;
//! chunks are claimed without a lock on their rows; the token is not in the statement that settles;
//! skipped users are left out where a run is closed; definitions are stored without holding the
//! revision.

mod definitions;
mod fair;
pub(super) mod feed;
mod lists;
mod operations;
mod work;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use cohort_preferences::{FeatureType, JobId, PreferenceGroup, Priority, StatedGroup, TenantId};
use jiff::{SignedDuration, Timestamp};

use crate::{
    BacklogLedger, Chunk, ChunkResult, Claim, Firing, Lane, Ledger, MembersRead, NewRun,
    OpenMember, Outcome, Plan, Run, Status, Watermark,
};

/// A ledger that holds nothing yet, and another handle to it.
pub(super) struct Handles {
    pub(super) one: Arc<dyn Ledger>,
    pub(super) other: Arc<dyn Ledger>,
}

pub(super) type Promise = fn(Handles) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Every promise.
pub(super) fn all() -> impl Iterator<Item = Promise> {
    work::ALL
        .into_iter()
        .chain(operations::ALL)
        .chain(definitions::ALL)
        .chain(fair::ALL)
        .chain(feed::ALL)
        .chain(lists::ALL)
}

/// Nine o'clock of the day of all tests.
fn nine() -> Timestamp {
    "2026-12-01T09:00:00Z".parse().expect("an instant")
}

fn seconds_past_nine(seconds: i64) -> Timestamp {
    nine() + SignedDuration::from_secs(seconds)
}

fn job() -> JobId {
    "posting".parse().expect("a job")
}

fn group(time: &str) -> PreferenceGroup {
    PreferenceGroup::parse("daily", time, "UTC").expect("a group").expect("everything is stated")
}

/// The run of this day and this time of the one job.
fn new_run(time: &str) -> NewRun {
    NewRun {
        job_version: None,
        feature_type: "posts".parse::<FeatureType>().expect("a feature"),
        group: group(time),
        stated: vec![StatedGroup::parse("daily", time, "UTC").expect("a group")],
        occurrence: Firing {
            at: format!("2026-12-01T{time}:00Z").parse().expect("an instant"),
            nominal: format!("2026-12-01T{time}").parse().expect("a nominal time"),
        },
        priority: Priority::Medium,
        unprocessed: None,
    }
}

fn plan(runs: Vec<NewRun>) -> Plan {
    Plan {
        watermark: Watermark { planned_until: nine(), known_until: nine(), replan_from: None },
        runs,
        tzdb: None,
    }
}

async fn open(ledger: &dyn Ledger, run: NewRun) -> Option<Run> {
    ledger.ensure_job(&job(), nine()).await.expect("a job");
    let opened = ledger.open_runs(&job(), plan(vec![run]), nine()).await.expect("opens");
    ledger.run(*opened.first()?).await.expect("reads")
}

fn members(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, TenantId)> {
    numbers
        .into_iter()
        .map(|number| (number, format!("t{number}").parse().expect("a tenant")))
        .collect()
}

/// A claim of a minute from nine on.
fn claim(holder: &str) -> Claim {
    Claim { holder: holder.into(), at: nine(), lease_until: seconds_past_nine(60) }
}

fn page(run: &Run, numbers: impl IntoIterator<Item = u64>, chunk_size: usize) -> MembersRead<'_> {
    MembersRead {
        run,
        stated: run.stated.clone(),
        members: members(numbers),
        next_cursor: None,
        chunk_size,
        claim: claim("a"),
    }
}

/// The chunks of a run that has these members, claimed by the agent a.
async fn read(
    ledger: &dyn Ledger,
    run: &Run,
    numbers: impl IntoIterator<Item = u64>,
    chunk_size: usize,
) -> Vec<Chunk> {
    ledger
        .add_members(vec![page(run, numbers, chunk_size)])
        .await
        .expect("adds")
        .remove(0)
        .expect("nobody has read the page")
}

/// The lane of the one job's work.
fn lane() -> Lane {
    Lane { job: job(), priority: Priority::Medium }
}

async fn claim_ready(ledger: &dyn BacklogLedger, claim: Claim, limit: usize) -> Vec<Chunk> {
    ledger.claim_chunks(&lane(), claim, limit).await.expect("claims")
}

fn outcome(member: &OpenMember, status: Status) -> Outcome {
    Outcome {
        ordinal: member.ordinal,
        number: member.number,
        status,
        detail: None,
        attempts: member.attempts + 1,
        preference_version: Some(7),
        stale: false,
        result: None,
    }
}

/// The settlement of a chunk whose members have all ended so.
fn ended(chunk: &Chunk, status: Status, at: Timestamp) -> ChunkResult {
    let outcomes = chunk.open.iter().map(|member| outcome(member, status)).collect();
    let (attempts, retried) = (chunk.attempts + 1, Vec::new());
    ChunkResult {
        chunk: chunk.id,
        run: chunk.run,
        token: chunk.token,
        attempts,
        outcomes,
        rest: None,
        retried,
        at,
    }
}

async fn reread(ledger: &dyn Ledger, run: &Run) -> Run {
    ledger.run(run.id).await.expect("reads").expect("it is there")
}

fn numbers(chunks: &[Chunk]) -> BTreeSet<u64> {
    chunks.iter().flat_map(|chunk| &chunk.open).map(|member| member.number).collect()
}
