//! The change feed (F7): change rows by id. A writer takes ids while it holds `head`, until its
//! commit. They are therefore given in commit order over all processes and without gaps, and the id
//! alone is the cursor.

use std::time::Duration;

use cohort_database::{Fingerprint, Transaction};
use cohort_preferences::{Change, ChangeKind, ChangePage};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::names::{feature, group, learn_features, learn_groups};
use super::row::FromRow;
use crate::cursor::{Incarnation, Position};
use crate::error::{ConfigServiceError, Result};
use crate::store::columns::{instant, tenant_id};
use crate::store::names::Names;
use crate::store::settled::just_before;
use cohort_database::statement::{query, query_one, query_opt};

/// What has been committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newest {
    /// Every change stamped at or before it is committed, and no later one will be.
    pub(super) stamp: Timestamp,
    /// The number of the newest change, 0 if there is none.
    pub(super) change: i64,
    /// The number of the newest tenant.
    pub(super) tenant: i64,
    /// The number below which changes may have been removed; 0 while none was.
    pub(super) oldest_kept: i64,
}

impl FromRow for Newest {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            stamp: instant(row.get("stamp"))?,
            change: row.get("change_id"),
            tenant: row.get("tenant_id"),
            oldest_kept: row.get("oldest_kept"),
        })
    }
}

/// Returns what had been committed when the snapshot was taken.
pub(super) async fn newest(db: &Transaction<'_>) -> Result<Newest> {
    let select = "SELECT stamp, change_id, tenant_id, oldest_kept FROM head";
    Newest::from_row(&query_one(db, select, &[]).await?)
}

/// Returns the cursor behind the newest change.
pub(super) async fn end(
    db: &Transaction<'_>,
    newest: &Newest,
    incarnation: Incarnation,
) -> Result<String> {
    Ok(incarnation.position(position(db, newest.change).await?))
}

/// Returns the position behind the change of this number, with its fingerprint if it is there.
async fn position(db: &Transaction<'_>, change: i64) -> Result<Position> {
    let select = "SELECT at, tenant, feature, version FROM change WHERE id = $1";
    let row = query_opt(db, select, &[&change]).await?;
    Ok(Position { change, fingerprint: row.as_ref().map(fingerprint) })
}

fn fingerprint(row: &Row) -> Fingerprint {
    Fingerprint::of(&["at", "tenant", "feature", "version"].map(|column| row.get(column)))
}

/// Fails with `CursorGone` unless the feed goes on from this position without a gap (F7), and the
/// change there is the one that the cursor was made of (F11). The oldest change kept may have been
/// removed by itself, and then only its number says that it is the same.
pub(super) async fn check(db: &Transaction<'_>, newest: &Newest, asked: Position) -> Result<()> {
    if !(newest.oldest_kept..=newest.change).contains(&asked.change) {
        return Err(ConfigServiceError::CursorGone);
    }
    match (asked.fingerprint, position(db, asked.change).await?.fingerprint) {
        (Some(asked), Some(found)) if asked != found => Err(ConfigServiceError::CursorGone),
        (Some(_), None) if asked.change > newest.oldest_kept => Err(ConfigServiceError::CursorGone),
        _ => Ok(()),
    }
}

/// Returns at most `limit` changes behind `after`.
pub(super) async fn page(
    db: &Transaction<'_>,
    names: &Names,
    incarnation: Incarnation,
    after: Position,
    limit: usize,
) -> Result<ChangePage> {
    let newest = newest(db).await?;
    check(db, &newest, after).await?;
    // A change of timezone or labels alone is no change of a preference.
    let select = "SELECT change.id AS id, tenant, tenant_id, feature, version, at, \
             preference IS NULL AS is_deleted, left_group, joined_group
         FROM (SELECT * FROM change WHERE id > $1 AND feature IS NOT NULL ORDER BY id LIMIT $2)
             AS change
         LEFT JOIN tenant ON tenant.id = tenant ORDER BY change.id";
    let rows = query(db, select, &[&after.change, &(limit as i64)]).await?;
    learn_features(db, names, rows.iter().map(|row| row.get("feature"))).await?;
    let groups = |row: &Row| [row.get::<_, Option<i64>>("left_group"), row.get("joined_group")];
    learn_groups(db, names, rows.iter().flat_map(groups).flatten()).await?;
    let changes =
        rows.iter().map(|row| change(names, row, incarnation)).collect::<Result<Vec<_>>>()?;
    let complete_until = match changes.last() {
        // The rows that were cut off are stamped no earlier than the last that was not.
        Some(last) if changes.len() == limit => newest.stamp.min(just_before(last.at)),
        _ => newest.stamp,
    };
    let next = match changes.last() {
        Some(last) => last.id.clone(),
        None => incarnation.position(position(db, after.change).await?),
    };
    Ok(ChangePage { changes, next, complete_until })
}

fn change(names: &Names, row: &Row, incarnation: Incarnation) -> Result<Change> {
    let group = |number: Option<i64>| {
        number.map(|number| group(names, number).map(|group| (*group).clone())).transpose()
    };
    let (name, number): (Option<&str>, Option<i64>) = (row.get("tenant_id"), row.get("tenant"));
    let kind = match number {
        None => ChangeKind::Defaults,
        Some(_) if row.get("is_deleted") => ChangeKind::Deleted,
        Some(_) => ChangeKind::Set,
    };
    Ok(Change {
        id: incarnation
            .position(Position { change: row.get("id"), fingerprint: Some(fingerprint(row)) }),
        tenant_id: name.map(tenant_id).transpose()?,
        number: number.map(|number| number as u64),
        feature_type: feature(names, row.get("feature"))?,
        version: row.get::<_, i64>("version") as u64,
        at: instant(row.get("at"))?,
        kind,
        left: group(row.get("left_group"))?,
        joined: group(row.get("joined_group"))?,
    })
}

/// Returns how long the transaction that holds `head` has been open; zero if none does.
///
/// Only the server knows when another process began, so its word is taken for the length of time,
/// though never for an instant.
pub(super) async fn lag(db: &Transaction<'_>) -> Result<Duration> {
    // Who waits for the row has a lock on its table as well.
    let select =
        "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
             AS seconds
         FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE relation = 'head'::regclass AND mode IN ('RowShareLock', 'RowExclusiveLock')
           AND granted
           AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND wait_event_type IS DISTINCT FROM 'Lock'";
    let seconds: f64 = query_one(db, select, &[]).await?.get("seconds");
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
