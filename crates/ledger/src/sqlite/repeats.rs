//! Who has run already, or is still open, in other runs of a job, on SQLite (M6, F10).

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use jiff::civil::Date;
use rusqlite::{Connection, Row, Statement, named_params, params};

use super::row::from_json;
use crate::repeats::{OpenRuns, OtherRuns};
use crate::rows::micros;
use crate::states::{CLOSED, DONE, SKIPPED, WITHOUT_PERIOD};
use crate::{LedgerError, OpenMember, Run};

pub(super) fn other_runs(
    tx: &Connection,
    own: &Run,
    period: Option<&RangeInclusive<Date>>,
) -> Result<OtherRuns, LedgerError> {
    let sql = format!(
        "SELECT
             EXISTS (
                 SELECT 1
                 FROM run
                 WHERE job = j.id AND state <> '{CLOSED}' AND scheduled_at < :own_instant
             ) AS is_earlier_open,
             EXISTS (
                 SELECT 1
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
    let parameters = named_params! {
        ":job": own.job_id.as_str(),
        ":own_instant": micros(own.occurrence.at),
        ":first_date": period.map(|period| period.start().to_string()),
        ":last_date": period.map(|period| period.end().to_string()),
        ":frequency": own.group.frequency().as_str(),
        ":time_key": own.group.time_key().to_string(),
        ":timezone": own.group.timezone().name(),
    };
    let others = tx.prepare_cached(&sql)?.query_row(parameters, |row| {
        Ok(OtherRuns {
            is_earlier_open: row.get("is_earlier_open")?,
            is_in_period: row.get("is_in_period")?,
        })
    })?;
    Ok(others)
}

pub(super) fn already_ran(
    tx: &Connection,
    own: &Run,
    period: &RangeInclusive<Date>,
    own_chunk: i64,
    numbers: &[u64],
) -> Result<HashSet<u64>, LedgerError> {
    // A run lists nobody twice, and the range of a chunk's numbers says whether to look into it. A
    // user who was requeued is found by the chunk that had the user first, and goes on counting, so
    // that an edit in between doubles no day.
    let mut chunks = tx.prepare_cached(&format!(
        "SELECT ifnull(c.split_from, c.id) AS first_made_as,
             c.run, c.first_ordinal, c.size, c.open_members
         FROM run r
         JOIN job j ON j.id = r.job
         JOIN chunk c ON c.run = r.id
         WHERE j.job_id = :job
             AND r.nominal_date BETWEEN :first_date AND :last_date
             AND r.scheduled_at <> :own_instant
             AND r.frequency NOT IN ({WITHOUT_PERIOD})
             AND NOT (
                 r.frequency = :frequency AND r.time_key = :time_key AND r.timezone = :timezone
             )
             AND c.first_tenant <= :tenant
             AND c.last_tenant >= :tenant"
    ))?;
    let mut ended = tx.prepare_cached(&format!(
        "SELECT 1
         FROM outcome
         WHERE run = ?1
             AND ordinal >= ?2
             AND ordinal < ?2 + ?3
             AND tenant = ?4
             AND status <> {SKIPPED}"
    ))?;
    let mut ran = HashSet::new();
    for number in numbers {
        let mut rows = chunks.query(named_params! {
            ":job": own.job_id.as_str(),
            ":first_date": period.start().to_string(),
            ":last_date": period.end().to_string(),
            ":own_instant": micros(own.occurrence.at),
            ":frequency": own.group.frequency().as_str(),
            ":time_key": own.group.time_key().to_string(),
            ":timezone": own.group.timezone().name(),
            ":tenant": *number as i64,
        })?;
        while let Some(row) = rows.next()? {
            if is_open_in(row, *number, own_chunk)? || has_ended_in(&mut ended, row, *number)? {
                ran.insert(*number);
                break;
            }
        }
    }
    Ok(ran)
}

/// Whether a user is open in a chunk that was made before the user's own.
fn is_open_in(row: &Row<'_>, number: u64, own_chunk: i64) -> rusqlite::Result<bool> {
    if row.get::<_, i64>("first_made_as")? >= own_chunk {
        return Ok(false);
    }
    let open: Vec<OpenMember> = from_json(row, "open_members")?;
    Ok(open.iter().any(|member| member.number == number))
}

/// Whether a user has an outcome in a chunk, other than to be skipped.
fn has_ended_in(ended: &mut Statement<'_>, row: &Row<'_>, number: u64) -> rusqlite::Result<bool> {
    let (run, first): (i64, i64) = (row.get("run")?, row.get("first_ordinal")?);
    ended.exists(params![run, first, row.get::<_, i64>("size")?, number as i64])
}

pub(super) fn open_earlier(
    tx: &Connection,
    own: &Run,
    numbers: &[u64],
) -> Result<HashMap<u64, usize>, LedgerError> {
    let mut chunks = tx.prepare_cached(&format!(
        "SELECT c.open_members
         FROM job j
         CROSS JOIN run r ON r.job = j.id
         CROSS JOIN chunk c ON c.run = r.id
         WHERE j.job_id = ?1
             AND r.state <> '{CLOSED}'
             AND r.scheduled_at < ?2
             AND c.state <> '{DONE}'
             AND c.first_tenant <= ?4
             AND c.last_tenant >= ?3"
    ))?;
    let (first, last) = (numbers.iter().min(), numbers.iter().max());
    let parameters = params![
        own.job_id.as_str(),
        micros(own.occurrence.at),
        first.map(|number| *number as i64),
        last.map(|number| *number as i64)
    ];
    let mut earlier: HashMap<u64, OpenRuns> = HashMap::new();
    let mut rows = chunks.query(parameters)?;
    while let Some(row) = rows.next()? {
        let open: Vec<OpenMember> = from_json(row, "open_members")?;
        for member in open.iter().filter(|member| numbers.contains(&member.number)) {
            earlier.entry(member.number).or_default().add(member);
        }
    }
    Ok(earlier.into_iter().map(|(number, runs)| (number, runs.counted())).collect())
}
