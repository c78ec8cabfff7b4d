//! Looks up the numbers of features and groups, all of a call in one statement.

use std::collections::HashMap;
use std::sync::Arc;

use cohort_database::Transaction;
use cohort_preferences::{FeatureType, StatedGroup};
use tokio_postgres::Row;

use super::row::FromRow;
use crate::error::Result;
use crate::store::columns;
use crate::store::names::Names;
use cohort_database::statement::{query, query_opt};

/// Reads the groups of these numbers that are not known yet. The numbers must stand in committed
/// rows.
pub(super) async fn learn_groups(
    db: &Transaction<'_>,
    names: &Names,
    numbers: impl Iterator<Item = i64>,
) -> Result<()> {
    let mut unknown: Vec<i64> = numbers.filter(|number| names.group(*number).is_none()).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.sort_unstable();
    unknown.dedup();
    let select = "SELECT id, frequency, time_key, timezone FROM stated_group WHERE id = ANY($1)";
    for row in query(db, select, &[&unknown]).await? {
        names.keep_group(row.get("id"), StatedGroup::from_row(&row)?);
    }
    Ok(())
}

/// Returns the group of a number that has been learned.
pub(super) fn group(names: &Names, number: i64) -> Result<Arc<StatedGroup>> {
    names.group(number).ok_or_else(|| columns::unreadable("group", &number.to_string()))
}

/// Reads the features of these numbers if one is not known yet. The numbers must stand in committed
/// rows.
pub(super) async fn learn_features(
    db: &Transaction<'_>,
    names: &Names,
    mut numbers: impl Iterator<Item = i64>,
) -> Result<()> {
    if numbers.all(|number| names.feature(number).is_some()) {
        return Ok(());
    }
    for row in query(db, "SELECT id, feature_type FROM feature", &[]).await? {
        names.keep_feature(row.get("id"), &columns::feature_type(row.get("feature_type"))?);
    }
    Ok(())
}

/// Returns the feature of a number that has been learned.
pub(super) fn feature(names: &Names, number: i64) -> Result<FeatureType> {
    names.feature(number).ok_or_else(|| columns::unreadable("feature", &number.to_string()))
}

/// Returns the number of a feature; `None` if it has none.
pub(super) async fn find_feature(
    db: &Transaction<'_>,
    feature: &FeatureType,
) -> Result<Option<i64>> {
    let select = "SELECT id FROM feature WHERE feature_type = $1";
    Ok(query_opt(db, select, &[&feature.as_str()]).await?.map(|row| row.get("id")))
}

/// Returns the numbers of those groups that have one.
pub(super) async fn find_groups<'g>(
    db: &Transaction<'_>,
    groups: &[(i64, &'g StatedGroup)],
) -> Result<HashMap<(i64, &'g StatedGroup), i64>> {
    let keys = GroupColumns::of(groups);
    let select = "SELECT ordinal, stated_group.id AS id
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
             WITH ORDINALITY AS asked (feature, frequency, time_key, timezone, ordinal)
         JOIN stated_group USING (feature, frequency, time_key, timezone)";
    let rows =
        query(db, select, &[&keys.features, &keys.frequencies, &keys.time_keys, &keys.timezones])
            .await?;
    let numbered = |row: &Row| {
        let index = row.get::<_, i64>("ordinal") - 1;
        (groups[index as usize], row.get("id"))
    };
    Ok(rows.iter().map(numbered).collect())
}

/// The columns by which groups are known, one entry a group.
pub(super) struct GroupColumns {
    pub(super) features: Vec<i64>,
    pub(super) frequencies: Vec<String>,
    pub(super) time_keys: Vec<String>,
    pub(super) timezones: Vec<String>,
}

impl GroupColumns {
    /// Returns the columns of these groups.
    pub(super) fn of(groups: &[(i64, &StatedGroup)]) -> Self {
        Self {
            features: groups.iter().map(|(feature, _)| *feature).collect(),
            frequencies: groups
                .iter()
                .map(|(_, group)| group.frequency_text().to_owned())
                .collect(),
            time_keys: groups.iter().map(|(_, group)| group.time_key().to_string()).collect(),
            timezones: groups.iter().map(|(_, group)| group.timezone_text().to_owned()).collect(),
        }
    }
}
