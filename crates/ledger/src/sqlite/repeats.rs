//! Who has run already, or is still open, in other runs of a job (M6, F10), on SQLite.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use jiff::civil::Date;
use rusqlite::{Connection, params};

use super::{from_json, micros};
use crate::operations::OpenRuns;
use crate::{LedgerError, OpenMember, OtherRuns, Run};

pub(super) fn other_runs(
    tx: &Connection,
    own: &Run,
    period: Option<&RangeInclusive<Date>>,
) -> Result<OtherRuns, LedgerError> {
    let group = &own.group;
    let others = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM run WHERE job = j.id AND state <> 'closed' AND \
             scheduled_at < ?2),
                    EXISTS (SELECT 1 FROM run WHERE job = j.id AND nominal_date BETWEEN ?3 AND ?4 \
                    AND scheduled_at <> ?2 AND members > 0
                                                AND frequency NOT IN ('hourly', 'cron')
                                                AND NOT (frequency = ?5 AND time_key = ?6 AND \
                                                timezone = ?7))
             FROM job j WHERE j.job_id = ?1",
        )?
        .query_row(
            params![
                own.job_id.as_str(),
                micros(own.occurrence.at),
                period.map(|period| period.start().to_string()),
                period.map(|period| period.end().to_string()),
                group.frequency().as_str(),
                group.time_key().to_string(),
                group.timezone().name(),
            ],
            |row| Ok(OtherRuns { is_earlier_open: row.get(0)?, is_in_period: row.get(1)? }),
        )?;
    Ok(others)
}

pub(super) fn already_ran(
    tx: &Connection,
    own: &Run,
    period: &RangeInclusive<Date>,
    own_chunk: i64,
    numbers: &[u64],
) -> Result<HashSet<u64>, LedgerError> {
    // A run lists nobody twice, and a chunk's range of numbers says whether to look into it. Who
    // was requeued is found by the chunk of the first turn, and counts on, so that an edit
    // meanwhile doubles no day.
    let mut chunks = tx.prepare_cached(
        "SELECT ifnull(c.split_from, c.id), c.run, c.first_ordinal, c.size, c.open_members FROM \
         run r JOIN job j ON j.id = r.job JOIN chunk c ON c.run = r.id
         WHERE j.job_id = ?1 AND r.nominal_date BETWEEN ?2 AND ?3 AND r.scheduled_at <> ?8 AND \
         r.frequency NOT IN ('hourly', 'cron')
           AND NOT (r.frequency = ?4 AND r.time_key = ?5 AND r.timezone = ?6) AND c.first_tenant \
           <= ?7 AND c.last_tenant >= ?7",
    )?;
    let mut ended = tx.prepare_cached(
        "SELECT 1 FROM outcome WHERE run = ?1 AND ordinal >= ?2 AND ordinal < ?2 \
            + ?3 AND tenant = ?4 AND status <> 2",
    )?;
    let (mut ran, group) = (HashSet::new(), &own.group);
    for number in numbers {
        let mut rows = chunks.query(params![
            own.job_id.as_str(),
            period.start().to_string(),
            period.end().to_string(),
            group.frequency().as_str(),
            group.time_key().to_string(),
            group.timezone().name(),
            *number as i64,
            micros(own.occurrence.at),
        ])?;
        while let Some(row) = rows.next()? {
            let open: Vec<OpenMember> = from_json(row, 4)?;
            let (run, first, size): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let was_first = row.get::<_, i64>(0)? < own_chunk;
            let is_open = was_first && open.iter().any(|member| member.number == *number);
            if is_open || ended.exists(params![run, first, size, *number as i64])? {
                ran.insert(*number);
                break;
            }
        }
    }
    Ok(ran)
}

pub(super) fn open_earlier(
    tx: &Connection,
    own: &Run,
    numbers: &[u64],
) -> Result<HashMap<u64, usize>, LedgerError> {
    let (first, last) = (numbers.iter().min(), numbers.iter().max());
    let mut chunks = tx.prepare_cached(
        "SELECT c.open_members FROM job j CROSS JOIN run r ON r.job = j.id CROSS JOIN chunk c ON \
         c.run = r.id
         WHERE j.job_id = ?1 AND r.state <> 'closed' AND r.scheduled_at < ?2
           AND c.state <> 'done' AND c.first_tenant <= ?4 AND c.last_tenant >= ?3",
    )?;
    let parameters = params![
        own.job_id.as_str(),
        micros(own.occurrence.at),
        first.map(|number| *number as i64),
        last.map(|number| *number as i64)
    ];
    let mut earlier: HashMap<u64, OpenRuns> = HashMap::new();
    let mut rows = chunks.query(parameters)?;
    while let Some(row) = rows.next()? {
        let open: Vec<OpenMember> = from_json(row, 0)?;
        for member in open.iter().filter(|member| numbers.contains(&member.number)) {
            earlier.entry(member.number).or_default().add(member);
        }
    }
    Ok(earlier.into_iter().map(|(number, runs)| (number, runs.counted())).collect())
}
