//! Writing preferences: state, group rows and change rows in one transaction.
//!
//! A job's rows share one stamp, but if it changes a preference twice the second change takes a new one, so that
//! memberships are never empty intervals (M1). Counts are kept per stamp: joins and leaves are summed and written when
//! the stamp ends.

use std::collections::HashMap;

use cohort_preferences::{FeatureType, StatedGroup, TenantId, Zone};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::names::{Learned, Names, find_feature, find_group};
use super::stamps::Stamps;
use super::{instant, read};
use crate::store::{Current, Edit, Edited, ImportRow, Result, Stated};

/// One write job.
pub(super) struct Writer<'a> {
    db: &'a Connection,
    names: &'a Names,
    stamps: &'a Stamps,
    learned: Learned,
    stamp: Option<Stamp>,
}

/// The changes that share an instant.
struct Stamp {
    at: Timestamp,
    first_change: Option<i64>,
    moves: HashMap<i64, i64>,
}

/// The row of a preference as it stands.
struct Row {
    version: i64,
    change_id: i64,
    group: Option<(i64, i64)>,
}

/// A preference to write: `None` deletes it.
struct Target<'a> {
    tenant: i64,
    timezone: Option<&'a Zone>,
    feature: i64,
    stated: Option<&'a Stated>,
    actor: &'a str,
}

impl<'a> Writer<'a> {
    /// Begins a job inside its transaction.
    pub(super) fn new(db: &'a Connection, names: &'a Names, stamps: &'a Stamps) -> Self {
        Self { db, names, stamps, learned: Learned::default(), stamp: None }
    }

    /// The transaction.
    pub(super) fn db(&self) -> &'a Connection {
        self.db
    }

    /// The instant of what is written now.
    pub(super) fn stamp(&mut self) -> Timestamp {
        let stamps = self.stamps;
        let stamp = self.stamp.get_or_insert_with(|| Stamp { at: stamps.take(), first_change: None, moves: HashMap::new() });
        stamp.at
    }

    /// Writes what is still summed up; gives the names to keep after the commit.
    pub(super) fn finish(mut self) -> Result<Learned> {
        self.end_stamp()?;
        Ok(self.learned)
    }

    /// Writes one preference over `row` and gives its new state.
    fn write(&mut self, target: &Target<'_>, row: Option<&Row>) -> Result<Current> {
        self.begin_change(row)?;
        let at = self.stamp().as_microsecond();
        let (old, new) = (row.and_then(|row| row.group), self.group_of(target)?);
        let moved = old.map(|(group, _)| group) != new;
        let version = row.map_or(0, |row| row.version) + 1;
        let (left, joined) = if moved { (old, new) } else { (None, None) };
        let since = if moved { at } else { old.map_or(at, |(_, since)| since) };
        let mut insert = self.db.prepare_cached(
            "INSERT INTO change (at, tenant, feature, version, left_group, left_since, joined_group, preference, actor)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let json = target.stated.map(|stated| stated.json.as_str());
        let (left_group, left_since) = left.unzip();
        insert.execute((at, target.tenant, target.feature, version, left_group, left_since, joined, json, target.actor))?;
        let change = self.db.last_insert_rowid();
        let mut upsert = self.db.prepare_cached(
            "INSERT INTO preference (tenant, feature, version, change_id, group_id, group_since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (tenant, feature) DO UPDATE SET version = excluded.version, change_id = excluded.change_id,
                 group_id = excluded.group_id, group_since = excluded.group_since",
        )?;
        upsert.execute((target.tenant, target.feature, version, change, new, new.map(|_| since)))?;
        self.note(change, left_group, joined);
        Ok(Current { version: version as u64, at: instant(at)?, json: json.map(str::to_owned) })
    }

    /// A preference that this stamp has already changed needs a new one.
    fn begin_change(&mut self, row: Option<&Row>) -> Result<()> {
        let first = self.stamp.as_ref().and_then(|stamp| stamp.first_change);
        if let (Some(row), Some(first)) = (row, first)
            && row.change_id >= first
        {
            self.end_stamp()?;
        }
        Ok(())
    }

    fn note(&mut self, change: i64, left: Option<i64>, joined: Option<i64>) {
        let stamp = self.stamp.as_mut().expect("a change was just stamped");
        stamp.first_change.get_or_insert(change);
        if let Some(group) = left {
            *stamp.moves.entry(group).or_default() -= 1;
        }
        if let Some(group) = joined {
            *stamp.moves.entry(group).or_default() += 1;
        }
    }

    /// The group that the preference puts its user in; none if it is switched off or deleted.
    fn group_of(&mut self, target: &Target<'_>) -> Result<Option<i64>> {
        let enabled = target.stated.filter(|stated| stated.preference.is_enabled());
        enabled.map(|stated| self.group(target.feature, stated.preference.stated_group(target.timezone))).transpose()
    }

    fn group(&mut self, feature: i64, group: StatedGroup) -> Result<i64> {
        let key = (feature, group);
        let known = self.learned.group_number(&key).or_else(|| self.names.group_number(&key));
        if let Some(number) = known {
            return Ok(number);
        }
        let number = match find_group(self.db, feature, &key.1)? {
            Some(number) => number,
            None => self.insert_group(feature, &key.1)?,
        };
        self.learned.group(feature, &key.1, number);
        Ok(number)
    }

    fn insert_group(&mut self, feature: i64, group: &StatedGroup) -> Result<i64> {
        let since = self.stamp().as_microsecond();
        let mut insert = self.db.prepare_cached(
            "INSERT INTO stated_group (feature, frequency, time_key, timezone, count, since) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
        )?;
        let time_key = group.time_key().to_string();
        insert.execute((feature, group.frequency_text(), time_key, group.timezone_text(), since))?;
        Ok(self.db.last_insert_rowid())
    }

    fn feature(&mut self, feature: &FeatureType) -> Result<i64> {
        let known = self.learned.feature_number(feature).or_else(|| self.names.feature_number(feature));
        if let Some(number) = known {
            return Ok(number);
        }
        let number = if let Some(number) = find_feature(self.db, feature)? {
            number
        } else {
            let mut insert = self.db.prepare_cached("INSERT INTO feature (feature_type) VALUES (?1)")?;
            insert.execute([feature.as_str()])?;
            self.db.last_insert_rowid()
        };
        self.learned.feature(feature, number);
        Ok(number)
    }

    /// Writes the counts after this stamp.
    fn end_stamp(&mut self) -> Result<()> {
        let Some(stamp) = self.stamp.take() else { return Ok(()) };
        let at = stamp.at.as_microsecond();
        let mut update = self.db.prepare_cached(
            "UPDATE stated_group SET count = count + ?2, empty_since = CASE WHEN count + ?2 = 0 THEN ?3 END WHERE id = ?1 RETURNING count",
        )?;
        let mut insert = self.db.prepare_cached("INSERT INTO group_count (group_id, at, count) VALUES (?1, ?2, ?3)")?;
        for (group, delta) in stamp.moves.into_iter().filter(|(_, delta)| *delta != 0) {
            let count: i64 = update.query_row((group, delta, at), |row| row.get(0))?;
            insert.execute((group, at, count))?;
        }
        Ok(())
    }
}

/// Changes one tenant as `decide` says.
pub(super) fn edit(writer: &mut Writer<'_>, edit: Edit) -> Result<Edited> {
    let Edit { tenant, feature, actor, decide } = edit;
    let number = read::tenant_number(writer.db, &tenant)?;
    let before = match number {
        Some(number) => read::tenant_of(writer.db, number, feature.as_ref())?,
        None => crate::store::Tenant::default(),
    };
    let wanted = decide(&before)?;
    let number = number.map_or_else(|| insert_tenant(writer, &tenant), Ok)?;
    let mut after = before.clone();
    for (feature, stated) in wanted {
        if is_as_wanted(before.preferences.get(&feature), stated.as_ref()) {
            continue;
        }
        let target = Target {
            tenant: number,
            timezone: before.timezone.as_ref(),
            feature: writer.feature(&feature)?,
            stated: stated.as_ref(),
            actor: &actor,
        };
        let row = find_row(writer.db, number, target.feature)?;
        let current = writer.write(&target, row.as_ref())?;
        after.preferences.insert(feature, current);
    }
    Ok(Edited { before, after })
}

fn is_as_wanted(current: Option<&Current>, wanted: Option<&Stated>) -> bool {
    match (current.and_then(|current| current.json.as_deref()), wanted) {
        (None, None) => true,
        (Some(stored), Some(stated)) => stated.says(stored),
        _ => false,
    }
}

/// Writes many preferences; those of one tenant and feature in the order given.
///
/// Rows are written in the order of tenant numbers, and new tenants get theirs in the order of their names: both keep
/// neighbours in the tables neighbours in time, which is what a fast import needs. A preference that comes twice is
/// written in a second round, so that a job has as many stamps as rounds and not as repetitions.
pub(super) fn import(writer: &mut Writer<'_>, rows: &[ImportRow], actor: &str) -> Result<Vec<bool>> {
    let mut changed = vec![false; rows.len()];
    for Numbered { tenant, is_new, index, .. } in number_tenants(writer, rows)? {
        let ImportRow { feature, stated, .. } = &rows[index];
        let timezone = if is_new { None } else { read::timezone(writer.db, tenant)? };
        let target = Target { tenant, timezone: timezone.as_ref(), feature: writer.feature(feature)?, stated: Some(stated), actor };
        let row = if is_new { None } else { find_row(writer.db, tenant, target.feature)? };
        if let Some(row) = &row
            && says_stored(writer.db, stated, row.change_id)?
        {
            continue;
        }
        writer.write(&target, row.as_ref())?;
        changed[index] = true;
    }
    Ok(changed)
}

/// A row to import, in the order of writing.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Numbered {
    /// How many rows of the same tenant and feature come before it.
    round: usize,
    tenant: i64,
    index: usize,
    /// Whether this is the first row of a tenant that did not exist.
    is_new: bool,
}

fn number_tenants(writer: &mut Writer<'_>, rows: &[ImportRow]) -> Result<Vec<Numbered>> {
    let mut by_name: Vec<usize> = (0..rows.len()).collect();
    by_name.sort_by_key(|index| rows[*index].tenant.as_str());
    let mut numbered: Vec<Numbered> = Vec::with_capacity(rows.len());
    let mut rounds: HashMap<&str, usize> = HashMap::new();
    for index in by_name {
        let ImportRow { tenant, feature, .. } = &rows[index];
        let (number, is_new) = match numbered.last() {
            Some(last) if rows[last.index].tenant == *tenant => (last.tenant, false),
            _ => {
                rounds.clear();
                find_or_insert_tenant(writer, tenant)?
            }
        };
        let round = rounds.entry(feature.as_str()).and_modify(|round| *round += 1).or_default();
        numbered.push(Numbered { round: *round, tenant: number, index, is_new });
    }
    numbered.sort_unstable();
    Ok(numbered)
}

fn find_or_insert_tenant(writer: &mut Writer<'_>, tenant: &TenantId) -> Result<(i64, bool)> {
    match read::tenant_number(writer.db, tenant)? {
        Some(number) => Ok((number, false)),
        None => Ok((insert_tenant(writer, tenant)?, true)),
    }
}

fn insert_tenant(writer: &mut Writer<'_>, tenant: &TenantId) -> Result<i64> {
    let created_at = writer.stamp().as_microsecond();
    let mut insert = writer.db.prepare_cached("INSERT INTO tenant (tenant_id, created_at) VALUES (?1, ?2)")?;
    insert.execute((tenant.as_str(), created_at))?;
    Ok(writer.db.last_insert_rowid())
}

fn find_row(db: &Connection, tenant: i64, feature: i64) -> Result<Option<Row>> {
    let mut select =
        db.prepare_cached("SELECT version, change_id, group_id, group_since FROM preference WHERE tenant = ?1 AND feature = ?2")?;
    let row = select.query_row((tenant, feature), |row| {
        Ok(Row { version: row.get(0)?, change_id: row.get(1)?, group: row.get::<_, Option<i64>>(2)?.zip(row.get(3)?) })
    });
    Ok(row.optional()?)
}

fn says_stored(db: &Connection, stated: &Stated, change: i64) -> Result<bool> {
    let mut select = db.prepare_cached("SELECT preference FROM change WHERE id = ?1")?;
    let stored: Option<String> = select.query_row([change], |row| row.get(0))?;
    Ok(stored.is_some_and(|stored| stated.says(&stored)))
}
