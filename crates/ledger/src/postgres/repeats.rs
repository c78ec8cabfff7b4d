//! Who has run already, or is still open, in other runs of a job, on PostgreSQL (M6, F10).

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use cohort_database::GenericClient;
use jiff::civil::Date;
use tokio_postgres::Row;

use super::named::{named, query, query_one};
use super::row::{from_json, number};
use crate::repeats::{OpenRuns, OtherRuns};
use crate::rows::micros;
use crate::states::{CLOSED, DONE, SKIPPED, WITHOUT_PERIOD};
use crate::{LedgerError, OpenMember, Run};

pub(super) async fn other_runs(
    db: &impl GenericClient,
    own: &Run,
    period: Option<&RangeInclusive<Date>>,
) -> Result<OtherRuns, LedgerError> {
    let sql = format!(
        "SELECT
             EXISTS (
                 SELECT
                 FROM run
                 WHERE job = j.id AND state <> '{CLOSED}' AND scheduled_at < :own_instant
             ) AS is_earlier_open,
             EXISTS (
                 SELECT
                 FROM run
                 WHERE job = j.id
                     AND nominal_date BETWEEN :first_date AND :last_date
                     AND scheduled_at <> :own_instant
                     AND members > 0
                     AND frequency NOT IN ({WITHOUT_PERIOD})
                     AND NOT (
                         frequency = :frequency AND time_key = :time_key AND timezone = :timezone
                     )
             ) AS is_in_period
         FROM job j
         WHERE j.job_id = :job"
    );
    let values = named! {
        job: own.job_id.as_str(),
        own_instant: micros(own.occurrence.at),
        first_date: period.map(|period| period.start().to_string()),
        last_date: period.map(|period| period.end().to_string()),
        frequency: own.group.frequency().as_str(),
        time_key: own.group.time_key().to_string(),
        timezone: own.group.timezone().name(),
    };
    let row = query_one(db, &sql, values).await?;
    Ok(OtherRuns {
        is_earlier_open: row.get("is_earlier_open"),
        is_in_period: row.get("is_in_period"),
    })
}

pub(super) async fn already_ran(
    db: &impl GenericClient,
    own: &Run,
    period: &RangeInclusive<Date>,
    own_chunk: i64,
    numbers: &[u64],
) -> Result<HashSet<u64>, LedgerError> {
    // A run lists nobody twice, and the range of a chunk's numbers says whether to look into it. A
    // user who was requeued is found by the chunk that had the user first, and goes on counting, so
    // that an edit in between doubles no day.
    let sql = format!(
        "SELECT asked.number, c.open_members,
             coalesce(c.split_from, c.id) < :own_chunk AS is_made_before,
             EXISTS (
                 SELECT
                 FROM outcome o
                 WHERE o.run = c.run
                     AND o.ordinal >= c.first_ordinal
                     AND o.ordinal < c.first_ordinal + c.size
                     AND o.tenant = asked.number
                     AND o.status <> {SKIPPED}
             ) AS has_ended
         FROM unnest(:numbers::bigint[]) AS asked (number)
         CROSS JOIN job j
         JOIN run r ON r.job = j.id
         JOIN chunk c ON c.run = r.id
             AND c.first_tenant <= asked.number
             AND c.last_tenant >= asked.number
         WHERE j.job_id = :job
             AND r.nominal_date BETWEEN :first_date AND :last_date
             AND r.scheduled_at <> :own_instant
             AND r.frequency NOT IN ({WITHOUT_PERIOD})
             AND NOT (
                 r.frequency = :frequency AND r.time_key = :time_key AND r.timezone = :timezone
             )"
    );
    let values = named! {
        numbers: numbers.iter().map(|number| *number as i64).collect::<Vec<_>>(),
        own_chunk: own_chunk,
        job: own.job_id.as_str(),
        first_date: period.start().to_string(),
        last_date: period.end().to_string(),
        own_instant: micros(own.occurrence.at),
        frequency: own.group.frequency().as_str(),
        time_key: own.group.time_key().to_string(),
        timezone: own.group.timezone().name(),
    };
    let mut ran = HashSet::new();
    for row in &query(db, &sql, values).await? {
        let number = number(row, "number");
        if row.get("has_ended") || is_open_in(row, number)? {
            ran.insert(number);
        }
    }
    Ok(ran)
}

/// Whether a user is open in a chunk that was made before the user's own.
fn is_open_in(row: &Row, number: u64) -> Result<bool, LedgerError> {
    if !row.get::<_, bool>("is_made_before") {
        return Ok(false);
    }
    let open: Vec<OpenMember> = from_json(row, "open_members")?;
    Ok(open.iter().any(|member| member.number == number))
}

pub(super) async fn open_earlier(
    db: &impl GenericClient,
    own: &Run,
    numbers: &[u64],
) -> Result<HashMap<u64, usize>, LedgerError> {
    let sql = format!(
        "SELECT c.open_members
         FROM job j
         JOIN run r ON r.job = j.id
         JOIN chunk c ON c.run = r.id
         WHERE j.job_id = :job
             AND r.state <> '{CLOSED}'
             AND r.scheduled_at < :own_instant
             AND c.state <> '{DONE}'
             AND c.first_tenant <= :last_tenant
             AND c.last_tenant >= :first_tenant"
    );
    let values = named! {
        job: own.job_id.as_str(),
        own_instant: micros(own.occurrence.at),
        first_tenant: numbers.iter().min().map(|number| *number as i64),
        last_tenant: numbers.iter().max().map(|number| *number as i64),
    };
    let mut earlier: HashMap<u64, OpenRuns> = HashMap::new();
    for row in &query(db, &sql, values).await? {
        let open: Vec<OpenMember> = from_json(row, "open_members")?;
        for member in open.iter().filter(|member| numbers.contains(&member.number)) {
            earlier.entry(member.number).or_default().add(member);
        }
    }
    Ok(earlier.into_iter().map(|(number, runs)| (number, runs.counted())).collect())
}
