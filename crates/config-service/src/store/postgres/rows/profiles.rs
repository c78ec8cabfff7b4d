//! Writes timezones and labels.

use std::collections::BTreeMap;

use cohort_database::Transaction;
use cohort_database::statement::execute;
use cohort_preferences::Zone;

use crate::error::Result;
use crate::store::plan::ProfileRow;

pub(super) async fn write_profiles(
    db: &Transaction<'_>,
    rows: &BTreeMap<i64, ProfileRow>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let tenants: Vec<i64> = rows.keys().copied().collect();
    let timezones: Vec<Option<&str>> =
        rows.values().map(|row| row.profile.timezone.as_ref().map(Zone::name)).collect();
    let versions: Vec<i64> = rows.values().map(|row| row.version as i64).collect();
    let changes: Vec<i64> = rows.values().map(|row| row.change).collect();
    let update = "UPDATE tenant
         SET timezone = now.timezone, profile_version = version, profile_change = change
         FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
             AS now (id, timezone, version, change)
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
    let insert = "INSERT INTO tenant_label (name, value, tenant)
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])";
    execute(db, insert, &[&names, &values, &owners]).await?;
    Ok(())
}
