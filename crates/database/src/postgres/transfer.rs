//! Reads and writes whole databases on PostgreSQL.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::TryStreamExt;
use tokio::sync::mpsc;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Row, Transaction};

use super::connection::Connection;
use super::handle::{Postgres, PostgresOptions};
use super::limits::LONG;
use super::planning::Planning;
use super::schema_name::SchemaName;
use crate::error::DatabaseError;
use crate::migrations::Migrations;
use crate::rows::{Batch, ColumnShape, OF_MIGRATIONS, ROWS_A_BATCH, TablePlan, TableShape, Value};
use crate::transfer_error::TransferError;

/// A transfer takes as long as it takes, and between its statements the other database works.
const PATIENCE: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
    SET lock_timeout = '30s'";

/// One state of a schema that others may go on writing to.
pub(crate) struct PostgresSource {
    connection: Connection,
    name: String,
}

/// A schema that is being filled, in one transaction.
pub(crate) struct PostgresTarget {
    connection: Connection,
    shapes: Vec<TableShape>,
}

async fn connect(
    url: &str,
    schema: &SchemaName,
    migrations: &Migrations,
    read_only: bool,
) -> Result<Connection, DatabaseError> {
    let options = PostgresOptions {
        url: url.into(),
        schema: schema.clone(),
        readers: 1,
        read_only,
        planning: Planning::ByCost,
    };
    let mut connection =
        Postgres::open(options, migrations).await?.connect(Planning::ByCost).await?;
    connection.unlimited().batch_execute(PATIENCE).await?;
    Ok(connection)
}

impl PostgresSource {
    pub(crate) async fn open(
        url: &str,
        schema: &SchemaName,
        migrations: &Migrations,
    ) -> Result<Self, TransferError> {
        let mut connection = connect(url, schema, migrations, true).await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        connection.unlimited().batch_execute(begin).await.map_err(DatabaseError::from)?;
        Ok(Self { connection, name: format!("the schema {schema}") })
    }

    pub(crate) async fn shapes(&mut self) -> Result<Vec<TableShape>, TransferError> {
        match shapes(self.connection.unlimited()).await? {
            shapes if shapes.is_empty() => Err(TransferError::Nothing(self.name.clone())),
            shapes => Ok(shapes),
        }
    }

    pub(crate) async fn count(&mut self, tables: &[TablePlan]) -> Result<Vec<u64>, DatabaseError> {
        count(self.connection.unlimited(), tables).await
    }

    /// Sends every row of these tables.
    pub(crate) async fn send(
        mut self,
        tables: Vec<TablePlan>,
        to: mpsc::Sender<Batch>,
    ) -> Result<(), DatabaseError> {
        for (index, table) in tables.iter().enumerate() {
            send_table(self.connection.unlimited(), index, table, &to).await?;
        }
        Ok(())
    }
}

async fn send_table(
    client: &Client,
    table: usize,
    plan: &TablePlan,
    to: &mpsc::Sender<Batch>,
) -> Result<(), DatabaseError> {
    let sql = format!("SELECT {} FROM \"{}\"", names(&plan.columns), plan.name);
    let nothing: [&(dyn ToSql + Sync); 0] = [];
    let mut rows = pin!(client.query_raw(&sql, nothing).await?);
    let mut batch = Vec::new();
    while let Some(row) = next(rows.try_next()).await? {
        batch.push(values(&row)?);
        if batch.len() == ROWS_A_BATCH {
            send_batch(table, std::mem::take(&mut batch), to).await?;
        }
    }
    if batch.is_empty() { Ok(()) } else { send_batch(table, batch, to).await }
}

/// Waits for what comes next, and not for ever: a server may hang.
async fn next<T>(
    coming: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, DatabaseError> {
    match tokio::time::timeout(LONG, coming).await {
        Ok(come) => Ok(come?),
        Err(_elapsed) => Err(DatabaseError::NoAnswer { database: "to copy".into(), waited: LONG }),
    }
}

/// Sends a batch; without a receiver, which says itself what went wrong, it is over.
async fn send_batch(
    table: usize,
    rows: Vec<Vec<Value>>,
    to: &mpsc::Sender<Batch>,
) -> Result<(), DatabaseError> {
    to.send(Batch { table, rows }).await.map_err(|_no_receiver| DatabaseError::Closed)
}

async fn shapes(client: &Client) -> Result<Vec<TableShape>, DatabaseError> {
    let select = "SELECT relname::text AS table_name, attname::text AS column_name,
             NOT attnotnull OR atthasdef OR attidentity <> '' AS may_be_left_out
         FROM pg_class
         JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
         WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
             AND relkind = 'r'
         ORDER BY pg_class.oid, attnum";
    let mut tables: Vec<TableShape> = Vec::new();
    for row in client.query(select, &[]).await? {
        let name: String = row.get("table_name");
        if tables.last().is_none_or(|table| table.name != name) {
            tables.push(TableShape { name, columns: Vec::new() });
        }
        let column = ColumnShape {
            name: row.get("column_name"),
            may_be_left_out: row.get("may_be_left_out"),
        };
        tables.last_mut().expect("one was just pushed").columns.push(column);
    }
    Ok(tables)
}

async fn count(client: &Client, tables: &[TablePlan]) -> Result<Vec<u64>, DatabaseError> {
    let mut counts = Vec::with_capacity(tables.len());
    for table in tables {
        let sql = format!("SELECT count(*) AS rows FROM \"{}\"", table.name);
        counts.push(client.query_one(&sql, &[]).await?.get::<_, i64>("rows") as u64);
    }
    Ok(counts)
}

fn values(row: &Row) -> Result<Vec<Value>, DatabaseError> {
    let value = |(index, column): (usize, &tokio_postgres::Column)| {
        let kind = column.type_();
        let value = if *kind == Type::INT8 {
            row.try_get::<_, Option<i64>>(index)?.map(Value::Integer)
        } else if *kind == Type::INT4 {
            row.try_get::<_, Option<i32>>(index)?.map(|number| Value::Integer(number.into()))
        } else if *kind == Type::BOOL {
            row.try_get::<_, Option<bool>>(index)?.map(|flag| Value::Integer(flag.into()))
        } else if *kind == Type::FLOAT8 {
            row.try_get::<_, Option<f64>>(index)?.map(Value::Real)
        } else if *kind == Type::BYTEA {
            row.try_get::<_, Option<Vec<u8>>>(index)?.map(Value::Bytes)
        } else {
            row.try_get::<_, Option<String>>(index)?.map(Value::Text)
        };
        Ok(value.unwrap_or(Value::Null))
    };
    row.columns().iter().enumerate().map(value).collect()
}

fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

impl PostgresTarget {
    pub(crate) async fn open(
        url: &str,
        schema: &SchemaName,
        migrations: &Migrations,
    ) -> Result<Self, DatabaseError> {
        let mut connection = connect(url, schema, migrations, false).await?;
        let shapes = shapes(connection.unlimited()).await?;
        Ok(Self { connection, shapes })
    }

    pub(crate) fn shapes(&self) -> &[TableShape] {
        &self.shapes
    }

    /// The first table that has rows, though a new database has none there.
    pub(crate) async fn filled_table(
        &mut self,
        made_with_rows: &[&str],
    ) -> Result<Option<String>, DatabaseError> {
        for table in own_tables(&self.shapes).filter(|table| !made_with_rows.contains(table)) {
            let sql = format!("SELECT EXISTS (SELECT FROM \"{table}\") AS has_rows");
            if self.connection.unlimited().query_one(&sql, &[]).await?.get("has_rows") {
                return Ok(Some(table.to_owned()));
            }
        }
        Ok(None)
    }

    /// Puts in what comes, runs the last statements, and returns how many rows each table has.
    pub(crate) async fn write(
        mut self,
        tables: Vec<TablePlan>,
        mut batches: mpsc::Receiver<Batch>,
        finish: &str,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Vec<u64>, DatabaseError> {
        let emptied: Vec<String> =
            own_tables(&self.shapes).map(|name| format!("\"{name}\"")).collect();
        let tx = self.connection.unlimited().transaction().await?;
        tx.batch_execute(&format!("TRUNCATE {}", emptied.join(", "))).await?;
        let mut written = 0;
        while let Some(batch) = batches.recv().await {
            written += batch.rows.len() as u64;
            copy_in(&tx, &tables[batch.table], &batch.rows).await?;
            progress(written);
        }
        number_on(&tx, &tables).await?;
        let mut counts = Vec::with_capacity(tables.len());
        for table in &tables {
            let sql = format!("SELECT count(*) AS rows FROM \"{}\"", table.name);
            counts.push(tx.query_one(&sql, &[]).await?.get::<_, i64>("rows") as u64);
        }
        tx.batch_execute(finish).await?;
        tx.commit().await?;
        // The server knows nothing of how large the tables have become.
        self.connection.unlimited().batch_execute("ANALYZE").await?;
        Ok(counts)
    }
}

fn own_tables(shapes: &[TableShape]) -> impl Iterator<Item = &str> {
    let names = shapes.iter().map(|table| table.name.as_str());
    names.filter(|name| !OF_MIGRATIONS.contains(name))
}

async fn copy_in(
    tx: &Transaction<'_>,
    table: &TablePlan,
    rows: &[Vec<Value>],
) -> Result<(), DatabaseError> {
    let columns = names(table.columns.iter().chain(table.filled.iter().map(|(name, _)| name)));
    let kinds = tx.prepare(&format!("SELECT {columns} FROM \"{}\"", table.name)).await?;
    let kinds: Vec<Type> = kinds.columns().iter().map(|column| column.type_().clone()).collect();
    let sql = format!("COPY \"{}\" ({columns}) FROM STDIN (FORMAT binary)", table.name);
    let mut writer = pin!(BinaryCopyInWriter::new(tx.copy_in(&sql).await?, &kinds));
    let filled: Vec<Value> = table.filled.iter().map(|(_, value)| Value::Integer(*value)).collect();
    for row in rows {
        let values: Vec<&(dyn ToSql + Sync)> =
            row.iter().chain(&filled).map(|value| value as &(dyn ToSql + Sync)).collect();
        next(writer.as_mut().write(&values)).await?;
    }
    next(writer.finish()).await?;
    Ok(())
}

/// Lets each column that numbers its rows go on behind the last number.
async fn number_on(tx: &Transaction<'_>, tables: &[TablePlan]) -> Result<(), DatabaseError> {
    let select = "SELECT relname::text AS table_name, attname::text AS column_name
         FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attidentity <> ''
         WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())";
    for row in tx.query(select, &[]).await? {
        let (table, column): (String, String) = (row.get("table_name"), row.get("column_name"));
        if tables.iter().any(|plan| plan.name == table) {
            let sql = format!(
                "SELECT setval(
                     pg_get_serial_sequence('\"{table}\"', '{column}'),
                     coalesce(max(\"{column}\"), 0) + 1, false)
                 FROM \"{table}\""
            );
            tx.execute(&sql, &[]).await?;
        }
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) if *kind == Type::INT8 => number.to_sql(kind, out),
            Self::Integer(number) if *kind == Type::INT4 => {
                i32::try_from(*number)?.to_sql(kind, out)
            }
            Self::Integer(number) if *kind == Type::BOOL => (*number != 0).to_sql(kind, out),
            Self::Integer(number) if *kind == Type::FLOAT8 => (*number as f64).to_sql(kind, out),
            Self::Real(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
            Self::Integer(_) => Err(format!("a number in a column of {kind}").into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::FLOAT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}
