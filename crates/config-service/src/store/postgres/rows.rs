//! Writes the rows of a plan, each table's together.

use std::collections::{BTreeMap, HashMap, HashSet};

use cohort_database::Transaction;
use cohort_preferences::{FeatureType, StatedGroup, Zone};

use super::names::{GroupColumns, find_feature, find_groups};
use crate::store::names::{Learned, Names};
use crate::store::plan::{ChangeRow, Move, PreferenceRow, ProfileRow, Rows, TenantRow};
use crate::store::{Result, columns};
use cohort_database::statement::{Bound, execute, query, query_one};
use cohort_database::table::{Field, Kind, Table};

/// Writes everything that was planned. The names that it meets are known only once the transaction
/// is committed.
pub(super) async fn write(
    db: &Transaction<'_>,
    names: &Names,
    learned: &mut Learned,
    rows: &Rows,
) -> Result<()> {
    learn(db, names, learned, rows).await?;
    let known = Known { names, learned };
    // Sent together, so that they cost one way to the server and back.
    tokio::try_join!(
        insert_tenants(db, &rows.tenants),
        insert_changes(db, &known, &rows.changes),
        write_preferences(db, &known, rows),
        write_moves(db, &known, &rows.moves),
    )?;
    write_profiles(db, &rows.profiles).await
}

/// Numbers of everything that the rows name.
struct Known<'a> {
    names: &'a Names,
    learned: &'a Learned,
}

impl Known<'_> {
    fn feature(&self, feature: &FeatureType) -> Result<i64> {
        let number =
            self.learned.feature_number(feature).or_else(|| self.names.feature_number(feature));
        number.ok_or_else(|| columns::unreadable("feature", feature.as_str()))
    }

    fn group(&self, feature: i64, group: &StatedGroup) -> Result<i64> {
        let number = self
            .learned
            .group_number(feature, group)
            .or_else(|| self.names.group_number(feature, group));
        number.ok_or_else(|| columns::unreadable("group", &group.to_string()))
    }

    fn optional_group(
        &self,
        feature: Option<i64>,
        group: Option<&StatedGroup>,
    ) -> Result<Option<i64>> {
        feature.zip(group).map(|(feature, group)| self.group(feature, group)).transpose()
    }
}

/// Looks up the numbers of what the rows name, and makes the features and groups that are new.
async fn learn(
    db: &Transaction<'_>,
    names: &Names,
    learned: &mut Learned,
    rows: &Rows,
) -> Result<()> {
    let named: HashSet<&FeatureType> =
        rows.changes.iter().filter_map(|row| row.feature.as_ref()).collect();
    let mut features: HashMap<&FeatureType, i64> = HashMap::with_capacity(named.len());
    for name in named {
        features.insert(name, feature(db, names, learned, name).await?);
    }
    let mut unknown: HashMap<(i64, &StatedGroup), i64> = HashMap::new();
    for (feature, group, at) in groups_of(rows) {
        let feature = features[feature];
        if learned
            .group_number(feature, group)
            .or_else(|| names.group_number(feature, group))
            .is_none()
        {
            unknown.entry((feature, group)).or_insert(at);
        }
    }
    if unknown.is_empty() { Ok(()) } else { learn_groups(db, learned, unknown).await }
}

/// The groups that the rows name, each first with the instant at which it was first joined.
fn groups_of(rows: &Rows) -> impl Iterator<Item = (&FeatureType, &StatedGroup, i64)> {
    let moved = rows.changes.iter().flat_map(|row| {
        let groups = [row.joined.as_ref(), row.left.as_ref().map(|left| &left.group)];
        groups
            .into_iter()
            .flatten()
            .filter_map(|group| Some((row.feature.as_ref()?, group, row.at.as_microsecond())))
    });
    let stood = rows.preferences.iter().filter_map(|row| {
        let member = row.current.member.as_ref()?;
        Some((&row.feature, &member.group, member.since.as_microsecond()))
    });
    moved.chain(stood)
}

/// Finds these groups, and makes those that are not there; each is there since its first user
/// joined.
async fn learn_groups(
    db: &Transaction<'_>,
    learned: &mut Learned,
    mut unknown: HashMap<(i64, &StatedGroup), i64>,
) -> Result<()> {
    let asked: Vec<_> = unknown.keys().copied().collect();
    for ((feature, group), number) in find_groups(db, &asked).await? {
        learned.group(feature, group, number);
        unknown.remove(&(feature, group));
    }
    let new: Vec<_> = unknown.keys().copied().collect();
    if new.is_empty() {
        return Ok(());
    }
    let since: Vec<i64> = unknown.values().copied().collect();
    let keys = GroupColumns::of(&new);
    let insert = "INSERT INTO stated_group (feature, frequency, time_key, timezone, since, count)
         SELECT *, 0 FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[])";
    execute(
        db,
        insert,
        &[&keys.features, &keys.frequencies, &keys.time_keys, &keys.timezones, &since],
    )
    .await?;
    for ((feature, group), number) in find_groups(db, &new).await? {
        learned.group(feature, group, number);
    }
    Ok(())
}

/// The number of a feature, which is made if it is new.
pub(super) async fn feature(
    db: &Transaction<'_>,
    names: &Names,
    learned: &mut Learned,
    feature: &FeatureType,
) -> Result<i64> {
    let known = learned.feature_number(feature).or_else(|| names.feature_number(feature));
    if let Some(number) = known {
        return Ok(number);
    }
    let number = if let Some(number) = find_feature(db, feature).await? {
        number
    } else {
        query_one(
            db,
            "INSERT INTO feature (feature_type) VALUES ($1) RETURNING id",
            &[&feature.as_str()],
        )
        .await?
        .get(0)
    };
    learned.feature(feature, number);
    Ok(number)
}

async fn insert_tenants(db: &Transaction<'_>, rows: &[TenantRow]) -> Result<()> {
    const TENANT: Table<3> = Table {
        name: "tenant",
        columns: [("id", Kind::Number), ("tenant_id", Kind::Text), ("created_at", Kind::Number)],
    };
    TENANT.insert(db, rows.iter().map(|row| Ok(tenant_fields(row)))).await
}

fn tenant_fields(row: &TenantRow) -> [Field<'_>; 3] {
    [
        Some(row.number).into(),
        Some(row.name.as_str()).into(),
        Some(row.created_at.as_microsecond()).into(),
    ]
}

async fn insert_changes(db: &Transaction<'_>, known: &Known<'_>, rows: &[ChangeRow]) -> Result<()> {
    const CHANGE: Table<12> = Table {
        name: "change",
        columns: [
            ("id", Kind::Number),
            ("at", Kind::Number),
            ("tenant", Kind::Number),
            ("feature", Kind::Number),
            ("version", Kind::Number),
            ("previous", Kind::Number),
            ("left_group", Kind::Number),
            ("left_since", Kind::Number),
            ("joined_group", Kind::Number),
            ("preference", Kind::Text),
            ("actor", Kind::Text),
            ("rules", Kind::Number),
        ],
    };
    CHANGE.insert(db, rows.iter().map(|row| change_fields(known, row))).await
}

fn change_fields<'r>(known: &Known<'_>, row: &'r ChangeRow) -> Result<[Field<'r>; 12]> {
    let feature = row.feature.as_ref().map(|feature| known.feature(feature)).transpose()?;
    Ok([
        Some(row.id).into(),
        Some(row.at.as_microsecond()).into(),
        Some(row.tenant).into(),
        feature.into(),
        Some(row.version as i64).into(),
        row.previous.into(),
        known.optional_group(feature, row.left.as_ref().map(|left| &left.group))?.into(),
        row.left.as_ref().map(|left| left.since.as_microsecond()).into(),
        known.optional_group(feature, row.joined.as_ref())?.into(),
        row.json.as_deref().into(),
        Some(&*row.actor).into(),
        Some(row.rules as i64).into(),
    ])
}

/// A statement changes a row once: of a preference that changed twice the last state is written.
fn last_states(planned: &[PreferenceRow], has_repeats: bool) -> Vec<&PreferenceRow> {
    if !has_repeats {
        return planned.iter().collect();
    }
    let mut seen = HashSet::with_capacity(planned.len());
    planned.iter().rev().filter(|row| seen.insert((row.tenant, &row.feature))).collect()
}

/// Those that are new go in without asking whether they are there, which an import lives on.
async fn write_preferences(db: &Transaction<'_>, known: &Known<'_>, rows: &Rows) -> Result<()> {
    const PREFERENCE: Table<7> = Table {
        name: "preference",
        columns: [
            ("tenant", Kind::Number),
            ("feature", Kind::Number),
            ("version", Kind::Number),
            ("change_id", Kind::Number),
            ("stated_since", Kind::Number),
            ("group_id", Kind::Number),
            ("group_since", Kind::Number),
        ],
    };
    let states = last_states(&rows.preferences, rows.has_repeats);
    let (new, others): (Vec<_>, Vec<_>) = states.into_iter().partition(|row| row.is_first);
    PREFERENCE.insert(db, new.into_iter().map(|row| preference_fields(known, row))).await?;
    let instead = "ON CONFLICT (tenant, feature) DO UPDATE SET version = excluded.version, \
        change_id = excluded.change_id,
         stated_since = excluded.stated_since, group_id = excluded.group_id, group_since = \
         excluded.group_since";
    PREFERENCE
        .insert_or(db, others.into_iter().map(|row| preference_fields(known, row)), instead)
        .await
        .map(drop)
}

fn preference_fields(known: &Known<'_>, row: &PreferenceRow) -> Result<[Field<'static>; 7]> {
    let feature = known.feature(&row.feature)?;
    Ok([
        Some(row.tenant).into(),
        Some(feature).into(),
        Some(row.current.version as i64).into(),
        Some(row.current.change).into(),
        Some(row.current.stated_since.as_microsecond()).into(),
        known
            .optional_group(Some(feature), row.current.member.as_ref().map(|member| &member.group))?
            .into(),
        row.current.member.as_ref().map(|member| member.since.as_microsecond()).into(),
    ])
}

/// The size of a group as moves change it.
struct Size {
    count: i64,
    empty_since: Option<i64>,
}

async fn write_moves(db: &Transaction<'_>, known: &Known<'_>, moves: &[Move]) -> Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let moved = moves
        .iter()
        .map(|moved| known.group(known.feature(&moved.feature)?, &moved.group))
        .collect::<Result<Vec<i64>>>()?;
    let mut sizes = sizes(db, &moved).await?;
    let (at, by): (Vec<i64>, Vec<i64>) =
        moves.iter().map(|moved| (moved.at.as_microsecond(), moved.by)).unzip();
    let mut counts = Vec::with_capacity(moves.len());
    for ((group, at), by) in moved.iter().zip(&at).zip(&by) {
        let size =
            sizes.get_mut(group).ok_or_else(|| columns::unreadable("group", &group.to_string()))?;
        size.count += by;
        size.empty_since = (size.count == 0).then_some(*at);
        counts.push(size.count);
    }
    let note = "INSERT INTO group_count (group_id, at, count) SELECT * FROM unnest($1::bigint[], \
        $2::bigint[], $3::bigint[])";
    let (groups, sizes): (Vec<i64>, Vec<Size>) = sizes.into_iter().unzip();
    let (count, empty_since): (Vec<i64>, Vec<Option<i64>>) =
        sizes.iter().map(|size| (size.count, size.empty_since)).unzip();
    let update = "UPDATE stated_group SET count = now.count, empty_since = now.empty_since
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS now (id, count, empty_since) \
         WHERE stated_group.id = now.id";
    let noted: Bound<'_> = &[&moved, &at, &counts];
    let updated: Bound<'_> = &[&groups, &count, &empty_since];
    tokio::try_join!(execute(db, note, noted), execute(db, update, updated))?;
    Ok(())
}

/// The present sizes of these groups.
async fn sizes(db: &Transaction<'_>, groups: &[i64]) -> Result<HashMap<i64, Size>> {
    let rows =
        query(db, "SELECT id, count, empty_since FROM stated_group WHERE id = ANY($1)", &[&groups])
            .await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), Size { count: row.get(1), empty_since: row.get(2) }))
        .collect())
}

async fn write_profiles(db: &Transaction<'_>, rows: &BTreeMap<i64, ProfileRow>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let tenants: Vec<i64> = rows.keys().copied().collect();
    let timezones: Vec<Option<&str>> =
        rows.values().map(|row| row.profile.timezone.as_ref().map(Zone::name)).collect();
    let versions: Vec<i64> = rows.values().map(|row| row.version as i64).collect();
    let changes: Vec<i64> = rows.values().map(|row| row.change).collect();
    let update = "UPDATE tenant SET timezone = now.timezone, profile_version = version, \
        profile_change = change
         FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) AS now (id, timezone, \
         version, change)
         WHERE tenant.id = now.id";
    execute(db, update, &[&tenants, &timezones, &versions, &changes]).await?;
    write_labels(db, rows, &tenants).await
}

async fn write_labels(
    db: &Transaction<'_>,
    rows: &BTreeMap<i64, ProfileRow>,
    tenants: &[i64],
) -> Result<()> {
    execute(db, "DELETE FROM tenant_label WHERE tenant = ANY($1)", &[&tenants]).await?;
    let (mut names, mut values, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, row) in rows {
        for (name, value) in row.profile.labels.iter() {
            names.push(name);
            values.push(value);
            owners.push(*tenant);
        }
    }
    let insert = "INSERT INTO tenant_label (name, value, tenant) SELECT * FROM unnest($1::text[], \
        $2::text[], $3::bigint[])";
    execute(db, insert, &[&names, &values, &owners]).await?;
    Ok(())
}
