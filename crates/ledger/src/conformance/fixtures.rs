//! What promises begin with: one job, one group of users, and shorthands for what is done to them.

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
pub(crate) struct Handles {
    pub(crate) one: Arc<dyn Ledger>,
    pub(crate) other: Arc<dyn Ledger>,
}

/// A promise that every ledger keeps.
pub(crate) type Promise = fn(Handles) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Nine o'clock of the day of all tests.
pub(super) fn nine() -> Timestamp {
    "2026-12-01T09:00:00Z".parse().expect("an instant")
}

pub(super) fn seconds_past_nine(seconds: i64) -> Timestamp {
    nine() + SignedDuration::from_secs(seconds)
}

pub(super) fn job() -> JobId {
    "posting".parse().expect("a job")
}

pub(super) fn group(time: &str) -> PreferenceGroup {
    PreferenceGroup::parse("daily", time, "UTC").expect("a group").expect("everything is stated")
}

/// The run of this day and this time of the one job.
pub(super) fn new_run(time: &str) -> NewRun {
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

pub(super) fn plan(runs: Vec<NewRun>) -> Plan {
    Plan {
        watermark: Watermark { planned_until: nine(), known_until: nine(), replan_from: None },
        runs,
        tzdb: None,
    }
}

pub(super) async fn open(ledger: &dyn Ledger, run: NewRun) -> Option<Run> {
    ledger.ensure_job(&job(), nine()).await.expect("a job");
    let opened = ledger.open_runs(&job(), plan(vec![run]), nine()).await.expect("opens");
    ledger.run(*opened.first()?).await.expect("reads")
}

pub(super) fn members(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, TenantId)> {
    numbers
        .into_iter()
        .map(|number| (number, format!("t{number}").parse().expect("a tenant")))
        .collect()
}

/// A claim of a minute from nine on.
pub(super) fn claim(holder: &str) -> Claim {
    Claim { holder: holder.into(), at: nine(), lease_until: seconds_past_nine(60) }
}

pub(super) fn page(
    run: &Run,
    numbers: impl IntoIterator<Item = u64>,
    chunk_size: usize,
) -> MembersRead<'_> {
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
pub(super) async fn read(
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
pub(super) fn lane() -> Lane {
    Lane { job: job(), priority: Priority::Medium }
}

pub(super) async fn claim_ready(
    ledger: &dyn BacklogLedger,
    claim: Claim,
    limit: usize,
) -> Vec<Chunk> {
    ledger.claim_chunks(&lane(), claim, limit).await.expect("claims")
}

pub(super) fn outcome(member: &OpenMember, status: Status) -> Outcome {
    Outcome {
        ordinal: member.ordinal,
        number: member.number,
        status,
        detail: None,
        attempts: member.attempts + 1,
        preference_version: Some(7),
        stale: false,
        result: None,
        purpose_version: Some(3),
        repeats: member.repeats.clone(),
    }
}

/// The result of a chunk whose members have all ended in one way.
pub(super) fn ended(chunk: &Chunk, status: Status, at: Timestamp) -> ChunkResult {
    ChunkResult {
        chunk: chunk.id,
        run: chunk.run,
        token: chunk.token,
        attempts: chunk.attempts + 1,
        outcomes: chunk.open.iter().map(|member| outcome(member, status)).collect(),
        rest: None,
        retried: Vec::new(),
        at,
    }
}

pub(super) async fn reread(ledger: &dyn Ledger, run: &Run) -> Run {
    ledger.run(run.id).await.expect("reads").expect("it is there")
}

pub(super) fn numbers(chunks: &[Chunk]) -> BTreeSet<u64> {
    chunks.iter().flat_map(|chunk| &chunk.open).map(|member| member.number).collect()
}
