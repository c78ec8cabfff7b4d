//! The raw limit of an import: the rows that it leaves, written by the bare driver into the same
//! tables with the same indexes, in sorted transactions, durably.
//!
//! Nothing is validated, looked up or counted, and the JSON is not read.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params_from_iter};

use super::users;

/// Users of a transaction.
const USERS_A_TRANSACTION: u64 = 10_000;

/// Rows of a statement.
const ROWS_A_STATEMENT: usize = 500;

/// Writes so many users into the file of a service that holds nothing; returns how long the
/// database took.
pub(super) fn write(path: &Path, users: u64) -> anyhow::Result<Duration> {
    let mut database = open(path).context("cannot open the database")?;
    write_groups(&database).context("cannot write the groups")?;
    let mut took = Duration::ZERO;
    for first in (0..users).step_by(USERS_A_TRANSACTION as usize) {
        let rows = rows(first..users.min(first + USERS_A_TRANSACTION), first as i64);
        let started = Instant::now();
        let transaction = database.transaction()?;
        rows.write(&transaction).context("cannot write users")?;
        transaction.commit()?;
        took += started.elapsed();
    }
    Ok(took)
}

/// Opens the file as the service does.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "wal_autocheckpoint", 32_000)?;
    database.pragma_update(None, "cache_size", -65_536)?;
    Ok(database)
}

fn write_groups(database: &Connection) -> rusqlite::Result<()> {
    database.execute("INSERT INTO feature (id, feature_type) VALUES (1, ?1)", [users::FEATURE])?;
    let mut insert = database.prepare(
        "INSERT INTO stated_group (id, feature, frequency, time_key, timezone, count, since) \
         VALUES (?1, 1, 'daily', ?1, '-', 0, 0)",
    )?;
    for group in 0..users::GROUPS as i64 {
        insert.execute([group + 1])?;
    }
    Ok(())
}

/// The rows of a transaction, each table's in the order of its key, column after column.
struct Rows {
    tenants: Vec<Value>,
    changes: Vec<Value>,
    preferences: Vec<Value>,
}

fn rows(users: std::ops::Range<u64>, before: i64) -> Rows {
    let mut sorted: Vec<_> = users.map(|user| (users::tenant(user), user)).collect();
    sorted.sort_unstable();
    let mut rows = Rows { tenants: Vec::new(), changes: Vec::new(), preferences: Vec::new() };
    for ((name, user), number) in sorted.into_iter().zip(before + 1..) {
        let (at, group) = (
            Value::Integer(1_800_000_000_000_000 + before),
            Value::Integer(users::group(user) as i64 + 1),
        );
        let (number, one) = (Value::Integer(number), Value::Integer(1));
        rows.tenants.extend([number.clone(), name.into(), at.clone()]);
        let json = users::preference(user).into();
        rows.changes.extend([
            number.clone(),
            at.clone(),
            number.clone(),
            one.clone(),
            one.clone(),
            group.clone(),
            json,
        ]);
        rows.preferences.extend([number.clone(), one.clone(), one, number, at.clone(), group, at]);
    }
    rows
}

impl Rows {
    fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        insert(
            transaction,
            "INSERT INTO tenant (id, tenant_id, created_at) VALUES ",
            "(?,?,?)",
            3,
            &self.tenants,
        )?;
        let changes = "INSERT INTO change (id, at, tenant, feature, version, joined_group, \
            preference, actor, rules) VALUES ";
        insert(transaction, changes, "(?,?,?,?,?,?,?,'bench',0)", 7, &self.changes)?;
        let preferences = "INSERT INTO preference (tenant, feature, version, change_id, \
            stated_since, group_id, group_since) VALUES ";
        insert(transaction, preferences, "(?,?,?,?,?,?,?)", 7, &self.preferences)
    }
}

fn insert(
    transaction: &Transaction<'_>,
    into: &str,
    row: &str,
    columns: usize,
    values: &[Value],
) -> rusqlite::Result<()> {
    for piece in values.chunks(columns * ROWS_A_STATEMENT) {
        let rows = vec![row; piece.len() / columns].join(",");
        transaction.prepare_cached(&format!("{into}{rows}"))?.execute(params_from_iter(piece))?;
    }
    Ok(())
}
