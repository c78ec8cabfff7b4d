//! The numbers of the features and groups that rows name. New ones are made.

use std::collections::{HashMap, HashSet};

use cohort_database::Transaction;
use cohort_database::statement::{execute, query_one};
use cohort_preferences::{FeatureType, StatedGroup};

use crate::error::Result;
use crate::store::columns;
use crate::store::names::{Learned, Names};
use crate::store::plan::Rows;
use crate::store::postgres::names::{GroupColumns, find_feature, find_groups};

/// Numbers of everything that the rows name.
pub(super) struct Known<'a> {
    pub(super) names: &'a Names,
    pub(super) learned: &'a Learned,
}

impl Known<'_> {
    pub(super) fn feature(&self, feature: &FeatureType) -> Result<i64> {
        let number =
            self.learned.feature_number(feature).or_else(|| self.names.feature_number(feature));
        number.ok_or_else(|| columns::unreadable("feature", feature.as_str()))
    }

    pub(super) fn group(&self, feature: i64, group: &StatedGroup) -> Result<i64> {
        let number = self
            .learned
            .group_number(feature, group)
            .or_else(|| self.names.group_number(feature, group));
        number.ok_or_else(|| columns::unreadable("group", &group.to_string()))
    }

    pub(super) fn optional_group(
        &self,
        feature: Option<i64>,
        group: Option<&StatedGroup>,
    ) -> Result<Option<i64>> {
        feature.zip(group).map(|(feature, group)| self.group(feature, group)).transpose()
    }
}

/// Looks up the numbers of what the rows name, and makes the features and groups that are new.
pub(super) async fn learn(
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

/// Returns the groups that the rows name. The first mention of each has the instant at which it was
/// first joined.
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

/// Finds these groups and makes those that do not exist. A group exists since its first user
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
    let GroupColumns { features, frequencies, time_keys, timezones } = &keys;
    execute(db, insert, &[features, frequencies, time_keys, timezones, &since]).await?;
    for ((feature, group), number) in find_groups(db, &new).await? {
        learned.group(feature, group, number);
    }
    Ok(())
}

/// Returns the number of a feature, which is made if it is new.
pub(in crate::store::postgres) async fn feature(
    db: &Transaction<'_>,
    names: &Names,
    learned: &mut Learned,
    feature: &FeatureType,
) -> Result<i64> {
    let known = learned.feature_number(feature).or_else(|| names.feature_number(feature));
    if let Some(number) = known {
        return Ok(number);
    }
    let number = match find_feature(db, feature).await? {
        Some(number) => number,
        None => insert_feature(db, feature).await?,
    };
    learned.feature(feature, number);
    Ok(number)
}

async fn insert_feature(db: &Transaction<'_>, feature: &FeatureType) -> Result<i64> {
    let insert = "INSERT INTO feature (feature_type) VALUES ($1) RETURNING id";
    Ok(query_one(db, insert, &[&feature.as_str()]).await?.get("id"))
}
