//! Writes the states of preferences.

use std::collections::HashSet;

use cohort_database::Transaction;
use cohort_database::table::{Field, Kind, Table};

use super::known::Known;
use crate::error::Result;
use crate::store::plan::{PreferenceRow, Rows};

/// The columns of a preference, in the order of [`preference_fields`].
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

/// What is written of a preference that is there.
const INSTEAD: &str = "ON CONFLICT (tenant, feature) DO UPDATE SET version = excluded.version, \
    change_id = excluded.change_id, stated_since = excluded.stated_since, \
    group_id = excluded.group_id, group_since = excluded.group_since";

/// Writes preferences. New ones go in without a look whether they are there, on which the speed of
/// an import depends.
pub(super) async fn write_preferences(
    db: &Transaction<'_>,
    known: &Known<'_>,
    rows: &Rows,
) -> Result<()> {
    let states = last_states(&rows.preferences, rows.has_repeats);
    let (new, others): (Vec<_>, Vec<_>) = states.into_iter().partition(|row| row.is_first);
    PREFERENCE.insert(db, new.into_iter().map(|row| preference_fields(known, row))).await?;
    let others = others.into_iter().map(|row| preference_fields(known, row));
    PREFERENCE.insert_or(db, others, INSTEAD).await.map(drop)
}

/// Returns the rows to write. A statement may change a row once only, so that of a preference that
/// changed twice the last state is written.
fn last_states(planned: &[PreferenceRow], has_repeats: bool) -> Vec<&PreferenceRow> {
    if !has_repeats {
        return planned.iter().collect();
    }
    let mut seen = HashSet::with_capacity(planned.len());
    planned.iter().rev().filter(|row| seen.insert((row.tenant, &row.feature))).collect()
}
