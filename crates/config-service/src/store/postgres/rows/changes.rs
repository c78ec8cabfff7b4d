//! Writes new tenants and change rows.

use cohort_database::Transaction;
use cohort_database::table::{Field, Kind, Table};

use super::known::Known;
use crate::error::Result;
use crate::store::plan::{ChangeRow, TenantRow};

/// The columns of a new tenant, in the order of [`tenant_fields`].
const TENANT: Table<3> = Table {
    name: "tenant",
    columns: [("id", Kind::Number), ("tenant_id", Kind::Text), ("created_at", Kind::Number)],
};

fn tenant_fields(row: &TenantRow) -> [Field<'_>; 3] {
    [
        Some(row.number).into(),
        Some(row.name.as_str()).into(),
        Some(row.created_at.as_microsecond()).into(),
    ]
}

pub(super) async fn insert_tenants(db: &Transaction<'_>, rows: &[TenantRow]) -> Result<()> {
    TENANT.insert(db, rows.iter().map(|row| Ok(tenant_fields(row)))).await
}

/// The columns of a change row, in the order of [`change_fields`].
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

pub(super) async fn insert_changes(
    db: &Transaction<'_>,
    known: &Known<'_>,
    rows: &[ChangeRow],
) -> Result<()> {
    CHANGE.insert(db, rows.iter().map(|row| change_fields(known, row))).await
}
