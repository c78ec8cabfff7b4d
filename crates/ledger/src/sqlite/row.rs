//! Reads columns of rows into values, on SQLite.

use std::error::Error;
use std::str::FromStr;

use cohort_preferences::PreferenceGroup;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Row, RowIndex};
use serde::de::DeserializeOwned;

/// A number that is never negative.
pub(super) fn number(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| number as u64)
}

pub(super) fn instant(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Timestamp> {
    let column = column.idx(row.as_ref())?;
    micros_to_instant(column, row.get(column)?)
}

pub(super) fn instant_or_none(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<Timestamp>> {
    let column = column.idx(row.as_ref())?;
    row.get::<_, Option<i64>>(column)?.map(|micros| micros_to_instant(column, micros)).transpose()
}

fn micros_to_instant(column: usize, micros: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|error| unreadable(column, error))
}

pub(super) fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<T> {
    let column = column.idx(row.as_ref())?;
    row.get_ref(column)?.as_str()?.parse().map_err(|error: T::Err| unreadable(column, error))
}

pub(super) fn parsed_or_none<T: FromStr<Err: Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<T>> {
    let column = column.idx(row.as_ref())?;
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(str::parse).transpose().map_err(|error: T::Err| unreadable(column, error))
}

pub(super) fn from_json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<T> {
    let column = column.idx(row.as_ref())?;
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, error))
}

pub(super) fn from_json_or_none<T: DeserializeOwned>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<T>> {
    let column = column.idx(row.as_ref())?;
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(serde_json::from_str).transpose().map_err(|error| unreadable(column, error))
}

/// A value that is stored by its name, such as a state.
pub(super) fn from_name<T>(
    row: &Row<'_>,
    column: impl RowIndex,
    find: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let column = column.idx(row.as_ref())?;
    let name = row.get_ref(column)?.as_str()?;
    find(name).ok_or_else(|| unreadable(column, format!("{name:?} is none of the names")))
}

/// A value that is stored by its code, such as a priority.
pub(super) fn from_code<T>(
    row: &Row<'_>,
    column: impl RowIndex,
    find: impl Fn(i32) -> Option<T>,
) -> rusqlite::Result<T> {
    let column = column.idx(row.as_ref())?;
    let code = row.get(column)?;
    find(code).ok_or_else(|| unreadable(column, format!("{code} is none of the codes")))
}

/// The group whose frequency, time key and time zone are in these columns.
pub(super) fn group(
    row: &Row<'_>,
    [frequency, time_key, timezone]: [impl RowIndex; 3],
) -> rusqlite::Result<PreferenceGroup> {
    let time_key = time_key.idx(row.as_ref())?;
    let (frequency, timezone): (String, String) = (row.get(frequency)?, row.get(timezone)?);
    let group = PreferenceGroup::parse(&frequency, row.get_ref(time_key)?.as_str()?, &timezone)
        .map_err(|error| unreadable(time_key, error))?;
    group.ok_or_else(|| unreadable(time_key, "a part of the group is not stated"))
}

/// Why a column cannot be read.
pub(super) fn unreadable(
    column: usize,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, cause.into())
}
