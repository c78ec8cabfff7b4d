//! Reads and writes whole databases on SQLite.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql, params_from_iter};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::connection::connect;
use super::migrate;
use crate::error::DatabaseError;
use crate::migrations::Migrations;
use crate::rows::{Batch, ColumnShape, OF_MIGRATIONS, ROWS_A_BATCH, TablePlan, TableShape, Value};
use crate::transfer_error::TransferError;

/// One state of a file that others may go on writing to.
pub(crate) struct SqliteSource {
    connection: Connection,
    path: PathBuf,
}

/// A file that is being made; it is removed again unless it is finished.
pub(crate) struct SqliteTarget {
    connection: Option<Connection>,
    shapes: Vec<TableShape>,
    path: PathBuf,
    is_finished: bool,
}

impl SqliteSource {
    pub(crate) fn open(path: &Path, migrations: &Migrations) -> Result<Self, TransferError> {
        if !path.is_file() {
            return Err(TransferError::Nothing(path.display().to_string()));
        }
        migrate::check(path, migrations)?;
        let connection = connect(path, true)?;
        connection.execute_batch("BEGIN").map_err(DatabaseError::from)?;
        Ok(Self { connection, path: path.into() })
    }

    /// Has SQLite look at every page and index.
    pub(crate) async fn verify(self) -> Result<(), TransferError> {
        self.on_thread(|connection, path| {
            let told: String = connection
                .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
                .map_err(DatabaseError::from)?;
            if told == "ok" {
                return Ok(());
            }
            Err(TransferError::Damaged { path: path.into(), told })
        })
        .await
        .map(drop)
    }

    pub(crate) async fn shapes(self) -> Result<(Self, Vec<TableShape>), TransferError> {
        self.on_thread(|connection, path| match shapes(connection)? {
            shapes if shapes.is_empty() => Err(TransferError::Nothing(path.display().to_string())),
            shapes => Ok(shapes),
        })
        .await
    }

    pub(crate) async fn count(
        self,
        tables: Vec<TablePlan>,
    ) -> Result<(Self, Vec<u64>), TransferError> {
        self.on_thread(move |connection, _| Ok(count(connection, &tables)?)).await
    }

    /// Sends every row of these tables.
    pub(crate) async fn send(
        self,
        tables: Vec<TablePlan>,
        to: mpsc::Sender<Batch>,
    ) -> Result<(), DatabaseError> {
        let sent = spawn_blocking(move || {
            tables
                .iter()
                .enumerate()
                .try_for_each(|(index, table)| send(&self.connection, index, table, &to))
        });
        sent.await.map_err(|_panicked| DatabaseError::Closed)?
    }

    async fn on_thread<T: Send + 'static>(
        self,
        job: impl FnOnce(&Connection, &Path) -> Result<T, TransferError> + Send + 'static,
    ) -> Result<(Self, T), TransferError> {
        let done = spawn_blocking(move || {
            let result = job(&self.connection, &self.path)?;
            Ok((self, result))
        });
        done.await.map_err(|_panicked| DatabaseError::Closed)?
    }
}

fn shapes(connection: &Connection) -> Result<Vec<TableShape>, DatabaseError> {
    let mut tables = connection.prepare(
        "SELECT name FROM sqlite_schema
         WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
    )?;
    let names = tables.query_map([], |row| row.get("name"))?.collect::<Result<Vec<String>, _>>()?;
    names.into_iter().map(|name| shape(connection, name)).collect()
}

fn shape(connection: &Connection, name: String) -> Result<TableShape, DatabaseError> {
    let mut select = connection.prepare(
        "SELECT name, \"notnull\" = 0 OR dflt_value IS NOT NULL AS may_be_left_out
         FROM pragma_table_info(?1) ORDER BY cid",
    )?;
    let columns = select.query_map([&name], |row| {
        Ok(ColumnShape { name: row.get("name")?, may_be_left_out: row.get("may_be_left_out")? })
    })?;
    Ok(TableShape { columns: columns.collect::<Result<_, _>>()?, name })
}

fn count(connection: &Connection, tables: &[TablePlan]) -> Result<Vec<u64>, DatabaseError> {
    let count = |table: &TablePlan| {
        let sql = format!("SELECT count(*) AS rows FROM \"{}\"", table.name);
        let rows: i64 = connection.query_row(&sql, [], |row| row.get("rows"))?;
        Ok(rows as u64)
    };
    tables.iter().map(count).collect()
}

fn send(
    connection: &Connection,
    index: usize,
    table: &TablePlan,
    to: &mpsc::Sender<Batch>,
) -> Result<(), DatabaseError> {
    let sql = format!("SELECT {} FROM \"{}\"", names(&table.columns), table.name);
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query([])?;
    let mut batch = Vec::new();
    while let Some(row) = rows.next()? {
        batch.push(values(row, table.columns.len())?);
        if batch.len() == ROWS_A_BATCH {
            send_batch(index, std::mem::take(&mut batch), to)?;
        }
    }
    if batch.is_empty() { Ok(()) } else { send_batch(index, batch, to) }
}

/// Sends a batch; without a receiver, which says itself what went wrong, it is over.
fn send_batch(
    table: usize,
    rows: Vec<Vec<Value>>,
    to: &mpsc::Sender<Batch>,
) -> Result<(), DatabaseError> {
    to.blocking_send(Batch { table, rows }).map_err(|_no_receiver| DatabaseError::Closed)
}

fn values(row: &Row<'_>, columns: usize) -> Result<Vec<Value>, DatabaseError> {
    let value = |index| {
        Ok(match row.get_ref(index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            text @ ValueRef::Text(_) => {
                Value::Text(text.as_str().map_err(rusqlite::Error::from)?.to_owned())
            }
            ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        })
    };
    (0..columns).map(value).collect()
}

fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

impl SqliteTarget {
    /// Makes a file that only its owner can read, with everything that a new database has.
    pub(crate) fn create(path: &Path, migrations: &Migrations) -> Result<Self, TransferError> {
        make_private_file(path)?;
        let mut target =
            Self { connection: None, shapes: Vec::new(), path: path.into(), is_finished: false };
        migrate::run(path, migrations)?;
        let connection = connect(path, false)?;
        begin(&connection)?;
        target.shapes = shapes(&connection)?;
        target.connection = Some(connection);
        Ok(target)
    }

    pub(crate) fn shapes(&self) -> &[TableShape] {
        &self.shapes
    }

    /// Puts in what comes, runs the last statements, and returns how many rows each table has.
    pub(crate) async fn write(
        self,
        tables: Vec<TablePlan>,
        batches: mpsc::Receiver<Batch>,
        finish: String,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Vec<u64>, DatabaseError> {
        let written = spawn_blocking(move || self.fill(&tables, batches, &finish, &*progress));
        written.await.map_err(|_panicked| DatabaseError::Closed)?
    }

    fn fill(
        mut self,
        tables: &[TablePlan],
        mut batches: mpsc::Receiver<Batch>,
        finish: &str,
        progress: &dyn Fn(u64),
    ) -> Result<Vec<u64>, DatabaseError> {
        let connection = self.connection.take().ok_or(DatabaseError::Closed)?;
        let mut written = 0;
        while let Some(batch) = batches.blocking_recv() {
            written += batch.rows.len() as u64;
            insert(&connection, &tables[batch.table], batch.rows)?;
            progress(written);
        }
        let counts = count(&connection, tables)?;
        connection.execute_batch(finish)?;
        connection.execute_batch("COMMIT")?;
        close(connection, &self.path)?;
        self.is_finished = true;
        Ok(counts)
    }
}

impl Drop for SqliteTarget {
    fn drop(&mut self) {
        drop(self.connection.take());
        if !self.is_finished {
            for suffix in ["", "-journal", "-wal", "-shm"] {
                let mut name = self.path.clone().into_os_string();
                name.push(suffix);
                // What was never made cannot be removed.
                let _absent = std::fs::remove_file(PathBuf::from(name));
            }
        }
    }
}

fn make_private_file(path: &Path) -> Result<(), DatabaseError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|source| io_fault(path, source))
}

/// One transaction for everything, and no log beside the file: what breaks off is removed.
fn begin(connection: &Connection) -> Result<(), DatabaseError> {
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for table in shapes(connection)? {
        if !OF_MIGRATIONS.contains(&table.name.as_str()) {
            connection.execute(&format!("DELETE FROM \"{}\"", table.name), [])?;
        }
    }
    Ok(())
}

fn insert(
    connection: &Connection,
    table: &TablePlan,
    rows: Vec<Vec<Value>>,
) -> Result<(), DatabaseError> {
    let columns = table.columns.iter().chain(table.filled.iter().map(|(name, _)| name));
    let filled = table.filled.iter().map(|(_, value)| value.to_string());
    let values: Vec<String> =
        (1..=table.columns.len()).map(|place| format!("?{place}")).chain(filled).collect();
    let (columns, values) = (names(columns), values.join(", "));
    let sql = format!("INSERT INTO \"{}\" ({columns}) VALUES ({values})", table.name);
    let mut insert = connection.prepare_cached(&sql)?;
    for row in rows {
        insert.execute(params_from_iter(row))?;
    }
    Ok(())
}

/// Closes the file once it is on the disk.
fn close(connection: Connection, path: &Path) -> Result<(), DatabaseError> {
    connection.close().map_err(|(_, error)| error)?;
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| io_fault(path, source))
}

fn io_fault(path: &Path, source: io::Error) -> DatabaseError {
    DatabaseError::File { path: path.into(), source }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Every row of every table but these, as text, in order: what a round trip must not change.
#[cfg(feature = "testing")]
pub(crate) fn dump(path: &Path, but: &[&str]) -> Result<Vec<String>, DatabaseError> {
    let connection = connect(path, true)?;
    let mut lines = Vec::new();
    for shape in shapes(&connection)? {
        let name = shape.name.as_str();
        if OF_MIGRATIONS.contains(&name) || but.contains(&name) {
            continue;
        }
        let sql = format!("SELECT * FROM \"{name}\"");
        let mut select = connection.prepare(&sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            lines.push(format!("{name} {:?}", values(row, shape.columns.len())?));
        }
    }
    lines.sort();
    Ok(lines)
}
