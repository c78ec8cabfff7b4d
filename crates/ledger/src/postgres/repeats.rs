//! Who has run already, or is still open, in other runs of a job (M6, F10), on PostgreSQL.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use cohort_database::GenericClient;
use cohort_database::statement::{query, query_one};
use jiff::civil::Date;

use super::{from_json, micros};
use crate::operations::OpenRuns;
use crate::{LedgerError, OpenMember, OtherRuns, Run};

pub(super) async fn other_runs(
    db: &impl GenericClient,
    own: &Run,
    period: Option<&RangeInclusive<Date>>,
) -> Result<OtherRuns, LedgerError> {
    let sql = "SELECT EXISTS (SELECT FROM run WHERE job = j.id AND state <> 'closed' AND \
        scheduled_at < $2),
                EXISTS (SELECT FROM run WHERE job = j.id AND nominal_date BETWEEN $3 AND $4 AND \
                scheduled_at <> $2 AND members > 0
                                          AND frequency NOT IN ('hourly', 'cron')
                                          AND NOT (frequency = $5 AND time_key = $6 AND timezone = \
                                          $7))
         FROM job j WHERE j.job_id = $1";
    let group = &own.group;
    let row = query_one(
        db,
        sql,
        &[
            &own.job_id.as_str(),
            &micros(own.occurrence.at),
            &period.map(|period| period.start().to_string()),
            &period.map(|period| period.end().to_string()),
            &group.frequency().as_str(),
            &group.time_key().to_string(),
            &group.timezone().name(),
        ],
    )
    .await?;
    Ok(OtherRuns { is_earlier_open: row.get(0), is_in_period: row.get(1) })
}

pub(super) async fn already_ran(
    db: &impl GenericClient,
    own: &Run,
    period: &RangeInclusive<Date>,
    own_chunk: i64,
    numbers: &[u64],
) -> Result<HashSet<u64>, LedgerError> {
    // A run lists nobody twice, and a chunk's range of numbers says whether to look into it. Who
    // was requeued is found by the chunk of the first turn, and counts on, so that an edit
    // meanwhile doubles no day.
    let sql = "SELECT asked.number, c.open_members, coalesce(c.split_from, c.id) < $9,
                EXISTS (SELECT FROM outcome o WHERE o.run = c.run AND o.ordinal >= c.first_ordinal \
                AND o.ordinal < c.first_ordinal + c.size
                                                AND o.tenant = asked.number AND o.status <> 2)
         FROM unnest($1::bigint[]) AS asked (number) CROSS JOIN job j JOIN run r ON r.job = j.id
              JOIN chunk c ON c.run = r.id AND c.first_tenant <= asked.number AND c.last_tenant >= \
              asked.number
         WHERE j.job_id = $2 AND r.nominal_date BETWEEN $3 AND $4 AND r.scheduled_at <> $8 AND \
         r.frequency NOT IN ('hourly', 'cron')
           AND NOT (r.frequency = $5 AND r.time_key = $6 AND r.timezone = $7)";
    let group = &own.group;
    let rows = query(
        db,
        sql,
        &[
            &numbers.iter().map(|number| *number as i64).collect::<Vec<_>>(),
            &own.job_id.as_str(),
            &period.start().to_string(),
            &period.end().to_string(),
            &group.frequency().as_str(),
            &group.time_key().to_string(),
            &group.timezone().name(),
            &micros(own.occurrence.at),
            &own_chunk,
        ],
    )
    .await?;
    let mut ran = HashSet::new();
    for row in &rows {
        let number = row.get::<_, i64>(0) as u64;
        let open: Vec<OpenMember> = from_json(row, 1)?;
        let (was_first, has_ended): (bool, bool) = (row.get(2), row.get(3));
        let is_open = was_first && open.iter().any(|member| member.number == number);
        if is_open || has_ended {
            ran.insert(number);
        }
    }
    Ok(ran)
}

pub(super) async fn open_earlier(
    db: &impl GenericClient,
    own: &Run,
    numbers: &[u64],
) -> Result<HashMap<u64, usize>, LedgerError> {
    let sql =
        "SELECT c.open_members FROM job j JOIN run r ON r.job = j.id JOIN chunk c ON c.run = r.id
         WHERE j.job_id = $1 AND r.state <> 'closed' AND r.scheduled_at < $2
           AND c.state <> 'done' AND c.first_tenant <= $4 AND c.last_tenant >= $3";
    let (first, last) = (
        numbers.iter().min().map(|number| *number as i64),
        numbers.iter().max().map(|number| *number as i64),
    );
    let rows =
        query(db, sql, &[&own.job_id.as_str(), &micros(own.occurrence.at), &first, &last]).await?;
    let mut earlier: HashMap<u64, OpenRuns> = HashMap::new();
    for row in &rows {
        let open: Vec<OpenMember> = from_json(row, 0)?;
        for member in open.iter().filter(|member| numbers.contains(&member.number)) {
            earlier.entry(member.number).or_default().add(member);
        }
    }
    Ok(earlier.into_iter().map(|(number, runs)| (number, runs.counted())).collect())
}
