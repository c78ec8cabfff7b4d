//! Reads columns of rows into values, on PostgreSQL.

use std::fmt::Display;
use std::str::FromStr;

use cohort_preferences::PreferenceGroup;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::row::RowIndex;

use crate::{LedgerError, RunId};

/// A column, by its name or by its place.
pub(super) trait Column: RowIndex + Display + Copy {}

impl<C: RowIndex + Display + Copy> Column for C {}

/// A number that is never negative.
pub(super) fn number(row: &Row, column: impl Column) -> u64 {
    row.get::<_, i64>(column) as u64
}

/// A small number that is never negative.
pub(super) fn small_number(row: &Row, column: impl Column) -> u32 {
    row.get::<_, i32>(column) as u32
}

pub(super) fn instant(row: &Row, column: impl Column) -> Result<Timestamp, LedgerError> {
    micros_to_instant(row.get(column)).map_err(|error| unreadable(column, error))
}

pub(super) fn instant_or_none(
    row: &Row,
    column: impl Column,
) -> Result<Option<Timestamp>, LedgerError> {
    row.get::<_, Option<i64>>(column)
        .map(micros_to_instant)
        .transpose()
        .map_err(|error| unreadable(column, error))
}

fn micros_to_instant(micros: i64) -> Result<Timestamp, jiff::Error> {
    Timestamp::from_microsecond(micros)
}

pub(super) fn parsed<T: FromStr<Err: Display>>(
    row: &Row,
    column: impl Column,
) -> Result<T, LedgerError> {
    row.get::<_, &str>(column).parse().map_err(|error| unreadable(column, error))
}

pub(super) fn parsed_or_none<T: FromStr<Err: Display>>(
    row: &Row,
    column: impl Column,
) -> Result<Option<T>, LedgerError> {
    let text: Option<&str> = row.get(column);
    text.map(str::parse).transpose().map_err(|error| unreadable(column, error))
}

pub(super) fn from_json<T: DeserializeOwned>(
    row: &Row,
    column: impl Column,
) -> Result<T, LedgerError> {
    serde_json::from_str(row.get(column)).map_err(|error| unreadable(column, error))
}

pub(super) fn from_json_or_none<T: DeserializeOwned>(
    row: &Row,
    column: impl Column,
) -> Result<Option<T>, LedgerError> {
    let text: Option<&str> = row.get(column);
    text.map(serde_json::from_str).transpose().map_err(|error| unreadable(column, error))
}

/// A value that is stored by its name, such as a state.
pub(super) fn from_name<T>(
    row: &Row,
    column: impl Column,
    find: impl Fn(&str) -> Option<T>,
) -> Result<T, LedgerError> {
    let name = row.get(column);
    find(name).ok_or_else(|| unreadable(column, format!("{name:?} is none of the names")))
}

/// A value that is stored by its code, such as a priority.
pub(super) fn from_code<T>(
    row: &Row,
    column: impl Column,
    find: impl Fn(i32) -> Option<T>,
) -> Result<T, LedgerError> {
    let code = row.get(column);
    find(code).ok_or_else(|| unreadable(column, format!("{code} is none of the codes")))
}

/// The group whose frequency, time key and time zone are in these columns.
pub(super) fn group(
    row: &Row,
    [frequency, time_key, timezone]: [impl Column; 3],
) -> Result<PreferenceGroup, LedgerError> {
    let group = PreferenceGroup::parse(row.get(frequency), row.get(time_key), row.get(timezone))?;
    group.ok_or_else(|| unreadable(time_key, "a part of the group is not stated"))
}

/// The run that each row names.
pub(super) fn runs_of(rows: &[Row]) -> Vec<RunId> {
    rows.iter().map(|row| RunId(row.get("run"))).collect()
}

/// The place of a column in the rows of a statement, of which this is one.
pub(super) fn place(row: &Row, name: &'static str) -> Result<usize, LedgerError> {
    let place = row.columns().iter().position(|column| column.name() == name);
    place.ok_or_else(|| unreadable(name, "the rows have no such column"))
}

/// Why a column cannot be read.
pub(super) fn unreadable(column: impl Display, cause: impl Display) -> LedgerError {
    LedgerError::Corrupt(format!("column {column}: {cause}"))
}
