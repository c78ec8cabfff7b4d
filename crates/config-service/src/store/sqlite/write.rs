//! Writing: what the plan needs is read, and its rows are written, in one transaction.

use cohort_preferences::{FeatureType, StatedGroup, TenantId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::names::{find_feature, find_group};
use super::read;
use super::stamps::Stamps;
use crate::store::Result;
use crate::store::columns::unreadable;
use crate::store::edit::{Current, Edit, Edited, Erased, ImportRow, Tenant};
use crate::store::names::{Learned, Names};
use crate::store::plan::{
    ChangeRow, Head, Move, Plan, PreferenceRow, ProfileRow, Rows, TenantRow, Tenants,
};

/// One write job.
pub(super) struct Writer<'a> {
    db: &'a Connection,
    names: &'a Names,
    stamps: &'a Stamps,
    learned: Learned,
}

impl<'a> Writer<'a> {
    /// Begins a job inside its transaction.
    pub(super) fn new(db: &'a Connection, names: &'a Names, stamps: &'a Stamps) -> Self {
        Self { db, names, stamps, learned: Learned::default() }
    }

    /// The transaction.
    pub(super) fn db(&self) -> &'a Connection {
        self.db
    }

    /// An instant for what is written without a plan.
    pub(super) fn stamp(&self) -> Timestamp {
        self.stamps.take()
    }

    /// The names to keep after the commit.
    pub(super) fn finish(self) -> Learned {
        self.learned
    }

    /// Makes a plan and writes its rows.
    fn carry_out<T>(&mut self, work: impl FnOnce(&mut Plan<'_>) -> Result<T>) -> Result<T> {
        let stamps = self.stamps;
        let mut take = || stamps.take();
        let mut plan = Plan::new(head(self.db)?, &mut take);
        let done = work(&mut plan)?;
        let (rows, _) = plan.finish();
        self.write(&rows)?;
        Ok(done)
    }

    fn write(&mut self, rows: &Rows) -> Result<()> {
        insert_tenants(self.db, &rows.tenants)?;
        self.create_groups(&rows.moves)?;
        self.insert_changes(&rows.changes)?;
        self.upsert_preferences(&rows.preferences)?;
        for (tenant, row) in &rows.profiles {
            write_profile(self.db, *tenant, row)?;
        }
        self.write_moves(&rows.moves)
    }

    fn insert_changes(&mut self, rows: &[ChangeRow]) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO change (id, at, tenant, feature, version, previous, left_group, \
             left_since, joined_group, preference, actor, rules)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        for row in rows {
            let feature = row.feature.as_ref().map(|feature| self.feature(feature)).transpose()?;
            let group = |writer: &mut Self, group: Option<&StatedGroup>| {
                feature.zip(group).map(|(f, g)| writer.group(f, g)).transpose()
            };
            let left = group(self, row.left.as_ref().map(|left| &left.group))?;
            let left_since = row.left.as_ref().map(|left| left.since.as_microsecond());
            let joined = group(self, row.joined.as_ref())?;
            insert.execute((
                row.id,
                row.at.as_microsecond(),
                row.tenant,
                feature,
                row.version as i64,
                row.previous,
                left,
                left_since,
                joined,
                row.json.as_deref(),
                &*row.actor,
                row.rules as i64,
            ))?;
        }
        Ok(())
    }

    fn upsert_preferences(&mut self, rows: &[PreferenceRow]) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO preference (tenant, feature, version, change_id, stated_since, group_id, \
             group_since)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let mut update = self.db.prepare_cached(
            "UPDATE preference SET version = ?3, change_id = ?4, stated_since = ?5, group_id = ?6, \
             group_since = ?7
             WHERE tenant = ?1 AND feature = ?2",
        )?;
        for row in rows {
            let feature = self.feature(&row.feature)?;
            let Current { version, change, stated_since, member, .. } = &*row.current;
            let group =
                member.as_ref().map(|member| self.group(feature, &member.group)).transpose()?;
            let since = member.as_ref().map(|member| member.since.as_microsecond());
            let statement = if row.is_first { &mut insert } else { &mut update };
            statement.execute((
                row.tenant,
                feature,
                *version as i64,
                change,
                stated_since.as_microsecond(),
                group,
                since,
            ))?;
        }
        Ok(())
    }

    /// Makes the groups that are joined for the first time; each is there since its first user
    /// joined.
    fn create_groups(&mut self, moves: &[Move]) -> Result<()> {
        for Move { at, feature, group, .. } in moves {
            let feature = self.feature(feature)?;
            if self.find_group(feature, group)?.is_none() {
                let number = insert_group(self.db, feature, group, *at)?;
                self.learned.group(feature, group, number);
            }
        }
        Ok(())
    }

    fn write_moves(&mut self, moves: &[Move]) -> Result<()> {
        let mut update = self.db.prepare_cached(
            "UPDATE stated_group SET count = count + ?2, empty_since = CASE WHEN count + ?2 = 0 \
             THEN ?3 END WHERE id = ?1 RETURNING count",
        )?;
        let mut insert = self
            .db
            .prepare_cached("INSERT INTO group_count (group_id, at, count) VALUES (?1, ?2, ?3)")?;
        for Move { at, feature, group, by } in moves {
            let feature = self.feature(feature)?;
            let (group, at) = (self.group(feature, group)?, at.as_microsecond());
            let count: i64 = update.query_row((group, by, at), |row| row.get(0))?;
            insert.execute((group, at, count))?;
        }
        Ok(())
    }

    /// The number of a group that is there: [`Self::create_groups`] has made those that were not.
    fn group(&mut self, feature: i64, group: &StatedGroup) -> Result<i64> {
        self.find_group(feature, group)?.ok_or_else(|| unreadable("group", &group.to_string()))
    }

    fn find_group(&mut self, feature: i64, group: &StatedGroup) -> Result<Option<i64>> {
        let known = self
            .learned
            .group_number(feature, group)
            .or_else(|| self.names.group_number(feature, group));
        if known.is_some() {
            return Ok(known);
        }
        let found = find_group(self.db, feature, group)?;
        if let Some(number) = found {
            self.learned.group(feature, group, number);
        }
        Ok(found)
    }

    /// The number of a feature, which is made if it is new.
    pub(super) fn feature(&mut self, feature: &FeatureType) -> Result<i64> {
        let known =
            self.learned.feature_number(feature).or_else(|| self.names.feature_number(feature));
        if let Some(number) = known {
            return Ok(number);
        }
        let number = if let Some(number) = find_feature(self.db, feature)? {
            number
        } else {
            let mut insert =
                self.db.prepare_cached("INSERT INTO feature (feature_type) VALUES (?1)")?;
            insert.execute([feature.as_str()])?;
            self.db.last_insert_rowid()
        };
        self.learned.feature(feature, number);
        Ok(number)
    }
}

/// Changes one tenant as the edit decides.
pub(super) fn edit(writer: &mut Writer<'_>, edit: Edit) -> Result<Edited> {
    let mut tenants = Tenants::new();
    if let Some(tenant) = read::tenant(writer.db, &edit.tenant, edit.feature.as_ref())? {
        tenants.insert(edit.tenant.clone(), tenant);
    }
    writer.carry_out(|plan| plan.edit(&mut tenants, edit))
}

/// Writes many preferences; says for each whether it changed anything.
pub(super) fn import(
    writer: &mut Writer<'_>,
    rows: Vec<ImportRow>,
    actor: &str,
) -> Result<Vec<bool>> {
    let mut tenants = read_tenants(writer.db, &rows)?;
    writer.carry_out(|plan| Ok(plan.import(&mut tenants, rows, actor)))
}

/// The tenants of these rows that are there, each with the preferences that the rows name; looked
/// up in the order of names, in which they stand in the index.
fn read_tenants(db: &Connection, rows: &[ImportRow]) -> Result<Tenants> {
    let mut wanted: Vec<_> = rows.iter().map(|row| (&row.tenant, &row.feature)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut tenants = Tenants::with_capacity(wanted.len());
    for of_tenant in wanted.chunk_by(|one, next| one.0 == next.0) {
        let name = of_tenant[0].0;
        let Some(number) = read::tenant_number(db, name)? else { continue };
        let mut tenant = read::profile_of(db, number)?;
        for (_, feature) in of_tenant {
            let current = read::find(db, number, feature)?;
            tenant.preferences.extend(current.map(|current| ((*feature).clone(), current)));
        }
        tenants.insert(name.clone(), tenant);
    }
    Ok(tenants)
}

/// Deletes everything of a tenant and takes its name and content away (W8); counts and numbers
/// stay.
pub(super) fn erase(
    writer: &mut Writer<'_>,
    name: &TenantId,
    actor: &str,
) -> Result<Option<Erased>> {
    let Some(mut tenant) = read::tenant(writer.db, name, None)? else { return Ok(None) };
    let Some(number) = tenant.number else { return Ok(None) };
    let preferences = tenant.live().count() as u64;
    let at = writer.carry_out(|plan| {
        plan.erase(&mut tenant, actor);
        Ok(plan.stamp())
    })?;
    let changes = empty_history(writer.db, &tenant)?;
    let mut forget = writer.db.prepare_cached(
        "UPDATE tenant SET tenant_id = NULL, timezone = NULL, erased_at = ?2 WHERE id = ?1",
    )?;
    forget.execute((number, at.as_microsecond()))?;
    Ok(Some(Erased { number, at, preferences, changes }))
}

/// Takes the content out of every change row of a tenant, and says of how many.
fn empty_history(db: &Connection, tenant: &Tenant) -> Result<u64> {
    let mut empty =
        db.prepare_cached("UPDATE change SET preference = NULL WHERE id = ?1 RETURNING previous")?;
    let newest =
        tenant.preferences.values().map(|current| current.change).chain(tenant.profile_change);
    let mut emptied = 0;
    for newest in newest {
        let mut next = Some(newest);
        while let Some(change) = next {
            next = empty.query_row([change], |row| row.get(0)).optional()?.flatten();
            emptied += 1;
        }
    }
    Ok(emptied)
}

fn head(db: &Connection) -> Result<Head> {
    let mut select = db.prepare_cached(
        "SELECT coalesce((SELECT max(id) FROM change), 0), \
        coalesce((SELECT max(id) FROM tenant), 0)",
    )?;
    Ok(select.query_row([], |row| Ok(Head { change: row.get(0)?, tenant: row.get(1)? }))?)
}

fn insert_tenants(db: &Connection, rows: &[TenantRow]) -> Result<()> {
    let mut insert =
        db.prepare_cached("INSERT INTO tenant (id, tenant_id, created_at) VALUES (?1, ?2, ?3)")?;
    for row in rows {
        insert.execute((row.number, row.name.as_str(), row.created_at.as_microsecond()))?;
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
        "INSERT INTO stated_group (feature, frequency, time_key, timezone, count, \
            since) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
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

fn write_profile(db: &Connection, tenant: i64, row: &ProfileRow) -> Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE tenant SET timezone = ?2, profile_version = ?3, profile_change = ?4 WHERE id = ?1",
    )?;
    let timezone = row.profile.timezone.as_ref().map(cohort_preferences::Zone::name);
    update.execute((tenant, timezone, row.version as i64, row.change))?;
    db.prepare_cached("DELETE FROM tenant_label WHERE tenant = ?1")?.execute([tenant])?;
    let mut insert =
        db.prepare_cached("INSERT INTO tenant_label (name, value, tenant) VALUES (?1, ?2, ?3)")?;
    for (name, value) in row.profile.labels.iter() {
        insert.execute((name, value, tenant))?;
    }
    Ok(())
}
