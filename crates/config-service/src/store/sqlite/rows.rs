//! Writes the rows of a plan, table by table.

use cohort_preferences::{StatedGroup, Zone};
use jiff::Timestamp;
use rusqlite::{Connection, ToSql};

use super::writer::Writer;
use crate::error::Result;
use crate::store::edit::Current;
use crate::store::plan::{ChangeRow, Move, PreferenceRow, ProfileRow, Rows, TenantRow};

/// Writes everything that was planned.
pub(super) fn write(writer: &mut Writer<'_>, rows: &Rows) -> Result<()> {
    insert_tenants(writer.db(), &rows.tenants)?;
    create_groups(writer, &rows.moves)?;
    insert_changes(writer, &rows.changes)?;
    write_preferences(writer, &rows.preferences)?;
    for (tenant, row) in &rows.profiles {
        write_profile(writer.db(), *tenant, row)?;
    }
    write_moves(writer, &rows.moves)
}

fn insert_tenants(db: &Connection, rows: &[TenantRow]) -> Result<()> {
    let mut insert =
        db.prepare_cached("INSERT INTO tenant (id, tenant_id, created_at) VALUES (?1, ?2, ?3)")?;
    for row in rows {
        insert.execute((row.number, row.name.as_str(), row.created_at.as_microsecond()))?;
    }
    Ok(())
}

/// Makes the groups that are joined for the first time. A group exists since its first user joined.
fn create_groups(writer: &mut Writer<'_>, moves: &[Move]) -> Result<()> {
    for Move { at, feature, group, .. } in moves {
        let feature = writer.feature(feature)?;
        if writer.find_group(feature, group)?.is_none() {
            let number = insert_group(writer.db(), feature, group, *at)?;
            writer.learn_group(feature, group, number);
        }
    }
    Ok(())
}

fn insert_group(
    db: &Connection,
    feature: i64,
    group: &StatedGroup,
    since: Timestamp,
) -> Result<i64> {
    let mut insert = db.prepare_cached(
        "INSERT INTO stated_group (feature, frequency, time_key, timezone, count, since)
         VALUES (?1, ?2, ?3, ?4, 0, ?5)",
    )?;
    let time_key = group.time_key().to_string();
    insert.execute((
        feature,
        group.frequency_text(),
        time_key,
        group.timezone_text(),
        since.as_microsecond(),
    ))?;
    Ok(db.last_insert_rowid())
}

/// The columns of a change row, in the order of [`ChangeValues::bound`].
const INSERT_CHANGE: &str = "INSERT INTO change (id, at, tenant, feature, version, previous, \
    left_group, left_since, joined_group, preference, actor, rules)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// The values of a change row, with numbers in the place of names.
struct ChangeValues<'r> {
    id: i64,
    at: i64,
    tenant: i64,
    feature: Option<i64>,
    version: i64,
    previous: Option<i64>,
    left_group: Option<i64>,
    left_since: Option<i64>,
    joined_group: Option<i64>,
    preference: Option<&'r str>,
    actor: &'r str,
    rules: i64,
}

impl<'r> ChangeValues<'r> {
    fn of(writer: &mut Writer<'_>, row: &'r ChangeRow) -> Result<Self> {
        let feature = row.feature.as_ref().map(|feature| writer.feature(feature)).transpose()?;
        let mut number = |group: Option<&StatedGroup>| {
            let named = feature.zip(group);
            named.map(|(feature, group)| writer.group(feature, group)).transpose()
        };
        Ok(Self {
            id: row.id,
            at: row.at.as_microsecond(),
            tenant: row.tenant,
            feature,
            version: row.version as i64,
            previous: row.previous,
            left_group: number(row.left.as_ref().map(|left| &left.group))?,
            left_since: row.left.as_ref().map(|left| left.since.as_microsecond()),
            joined_group: number(row.joined.as_ref())?,
            preference: row.json.as_deref(),
            actor: &row.actor,
            rules: row.rules as i64,
        })
    }

    fn bound(&self) -> [&dyn ToSql; 12] {
        [
            &self.id,
            &self.at,
            &self.tenant,
            &self.feature,
            &self.version,
            &self.previous,
            &self.left_group,
            &self.left_since,
            &self.joined_group,
            &self.preference,
            &self.actor,
            &self.rules,
        ]
    }
}

fn insert_changes(writer: &mut Writer<'_>, rows: &[ChangeRow]) -> Result<()> {
    let mut insert = writer.db().prepare_cached(INSERT_CHANGE)?;
    for row in rows {
        insert.execute(ChangeValues::of(writer, row)?.bound())?;
    }
    Ok(())
}

/// The columns of a preference that is new, in the order of [`PreferenceValues::bound`].
const INSERT_PREFERENCE: &str = "INSERT INTO preference (tenant, feature, version, change_id, \
    stated_since, group_id, group_since)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// The same columns of a preference that is there.
const UPDATE_PREFERENCE: &str = "UPDATE preference SET version = ?3, change_id = ?4, \
    stated_since = ?5, group_id = ?6, group_since = ?7
    WHERE tenant = ?1 AND feature = ?2";

/// The values of the row of a preference, with numbers in the place of names.
struct PreferenceValues {
    tenant: i64,
    feature: i64,
    version: i64,
    change: i64,
    stated_since: i64,
    group: Option<i64>,
    group_since: Option<i64>,
}

impl PreferenceValues {
    fn of(writer: &mut Writer<'_>, row: &PreferenceRow) -> Result<Self> {
        let feature = writer.feature(&row.feature)?;
        let Current { version, change, stated_since, member, .. } = &*row.current;
        let group = member.as_ref().map(|member| writer.group(feature, &member.group));
        Ok(Self {
            tenant: row.tenant,
            feature,
            version: *version as i64,
            change: *change,
            stated_since: stated_since.as_microsecond(),
            group: group.transpose()?,
            group_since: member.as_ref().map(|member| member.since.as_microsecond()),
        })
    }

    fn bound(&self) -> [&dyn ToSql; 7] {
        [
            &self.tenant,
            &self.feature,
            &self.version,
            &self.change,
            &self.stated_since,
            &self.group,
            &self.group_since,
        ]
    }
}

fn write_preferences(writer: &mut Writer<'_>, rows: &[PreferenceRow]) -> Result<()> {
    let mut insert = writer.db().prepare_cached(INSERT_PREFERENCE)?;
    let mut update = writer.db().prepare_cached(UPDATE_PREFERENCE)?;
    for row in rows {
        let statement = if row.is_first { &mut insert } else { &mut update };
        statement.execute(PreferenceValues::of(writer, row)?.bound())?;
    }
    Ok(())
}

fn write_profile(db: &Connection, tenant: i64, row: &ProfileRow) -> Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE tenant SET timezone = ?2, profile_version = ?3, profile_change = ?4 WHERE id = ?1",
    )?;
    let timezone = row.profile.timezone.as_ref().map(Zone::name);
    update.execute((tenant, timezone, row.version as i64, row.change))?;
    db.prepare_cached("DELETE FROM tenant_label WHERE tenant = ?1")?.execute([tenant])?;
    let mut insert =
        db.prepare_cached("INSERT INTO tenant_label (name, value, tenant) VALUES (?1, ?2, ?3)")?;
    for (name, value) in row.profile.labels.iter() {
        insert.execute((name, value, tenant))?;
    }
    Ok(())
}

fn write_moves(writer: &mut Writer<'_>, moves: &[Move]) -> Result<()> {
    let mut update = writer.db().prepare_cached(
        "UPDATE stated_group
         SET count = count + ?2, empty_since = CASE WHEN count + ?2 = 0 THEN ?3 END
         WHERE id = ?1 RETURNING count",
    )?;
    let mut insert = writer
        .db()
        .prepare_cached("INSERT INTO group_count (group_id, at, count) VALUES (?1, ?2, ?3)")?;
    for Move { at, feature, group, by } in moves {
        let feature = writer.feature(feature)?;
        let (group, at) = (writer.group(feature, group)?, at.as_microsecond());
        let count: i64 = update.query_row((group, by, at), |row| row.get("count"))?;
        insert.execute((group, at, count))?;
    }
    Ok(())
}
