//! A whole database, written anew in another place: from SQLite or PostgreSQL to SQLite or
//! PostgreSQL.
//!
//! ```text
//! source, one snapshot ─► batches of rows ─► target, one transaction
//!     tables and columns as the source has them  ──┐
//!     tables and columns as the target has them  ──┴─► plan: each has its place, or it is refused
//! ```
//!
//! No table is named here: both schemas are asked, so that a table or a column that is added later
//! is not forgotten. What differs between the two databases, and what is set right at the end,
//! stands in the [`Rules`] of whoever knows the tables.
//!
//! The target is new, or has what a new one has. What may fail: the target is full or breaks off.
//! Then its transaction never was, and a file that was begun is removed.

mod plan;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use self::plan::plan;
pub use self::rules::Rules;
use crate::error::DatabaseError;
use crate::migrations::Migrations;
#[cfg(feature = "postgres")]
use crate::postgres::{PostgresSource, PostgresTarget, SchemaName};
use crate::rows::{BATCHES_WAITING, Batch, TablePlan, TableShape};
use crate::sqlite::{SqliteSource, SqliteTarget};
use crate::transfer_error::TransferError;

/// Where a database is.
#[derive(Clone)]
pub enum Place {
    /// In a file.
    Sqlite(PathBuf),
    /// In a schema of a server.
    #[cfg(feature = "postgres")]
    Postgres {
        /// The server's address.
        url: String,
        /// The schema.
        schema: SchemaName,
    },
}

/// One database to be written anew.
pub struct Transfer {
    /// What is read.
    pub from: Place,
    /// What is written.
    pub to: Place,
    /// What the program brings for an SQLite database.
    pub sqlite: Migrations,
    /// What it brings for a PostgreSQL database.
    pub postgres: Migrations,
    /// What is particular about the tables.
    pub rules: Rules,
}

/// How far a transfer is: called with rows that have been put in and rows in all.
pub type TransferProgress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How many rows of which table were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// The tables by name, each with its rows.
    pub tables: Vec<(String, u64)>,
}

impl Transferred {
    /// The rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

enum Source {
    Sqlite(SqliteSource),
    #[cfg(feature = "postgres")]
    Postgres(PostgresSource),
}

enum Target {
    Sqlite(SqliteTarget),
    #[cfg(feature = "postgres")]
    Postgres(PostgresTarget),
}

impl Transfer {
    /// Writes the database anew.
    ///
    /// # Errors
    /// Among others if the target is not empty, or if a table or column has no place there. Then
    /// the target is as it was.
    pub async fn run(self, progress: TransferProgress) -> Result<Transferred, TransferError> {
        let Self { from, to, sqlite, postgres, rules } = self;
        let source = Source::open(&from, &sqlite, &postgres).await?;
        let target = Target::open(&to, &sqlite, &postgres, &rules).await?;
        let (source, shapes) = source.shapes().await?;
        let tables = plan(&shapes, target.shapes(), &rules)?;
        let (source, counts) = source.count(&tables).await?;
        let total = counts.iter().sum();
        let (batches, to_write) = mpsc::channel(BATCHES_WAITING);
        let put_in: Arc<dyn Fn(u64) + Send + Sync> = Arc::new(move |rows| progress(rows, total));
        let read = source.send(tables.clone(), batches);
        let written = target.write(tables.clone(), to_write, &rules, put_in);
        let (read, written) = tokio::join!(read, written);
        // A target that broke off is why the source could not go on.
        let written = written?;
        read?;
        check(&tables, &counts, &written)?;
        let names = tables.into_iter().map(|table| table.name);
        Ok(Transferred { tables: names.zip(written).collect() })
    }

    /// Checks that the source is whole, as far as a database can tell, and of a schema that this
    /// program knows.
    pub async fn verify(
        from: &Place,
        sqlite: &Migrations,
        postgres: &Migrations,
    ) -> Result<(), TransferError> {
        match Source::open(from, sqlite, postgres).await? {
            Source::Sqlite(source) => source.verify().await,
            #[cfg(feature = "postgres")]
            Source::Postgres(_) => Ok(()),
        }
    }
}

/// The tables and their columns that a new database has, by name, for tests that compare them.
#[cfg(feature = "testing")]
pub async fn unplanned(transfer: Transfer) -> Result<Vec<String>, TransferError> {
    let Transfer { from, to, sqlite, postgres, rules } = transfer;
    let (_, source) = Source::open(&from, &sqlite, &postgres).await?.shapes().await?;
    let target = Target::open(&to, &sqlite, &postgres, &rules).await?;
    Ok(plan::unplanned(&source, target.shapes(), &rules))
}

fn check(tables: &[TablePlan], read: &[u64], written: &[u64]) -> Result<(), TransferError> {
    for (index, table) in tables.iter().enumerate() {
        let (expected, found) = (read[index], written[index]);
        if expected != found {
            let table = table.name.clone();
            return Err(TransferError::CountDiffers { table, expected, found });
        }
    }
    Ok(())
}

impl Source {
    async fn open(
        place: &Place,
        sqlite: &Migrations,
        postgres: &Migrations,
    ) -> Result<Self, TransferError> {
        #[cfg(not(feature = "postgres"))]
        let _ = postgres;
        Ok(match place {
            Place::Sqlite(path) => Self::Sqlite(SqliteSource::open(path, sqlite)?),
            #[cfg(feature = "postgres")]
            Place::Postgres { url, schema } => {
                Self::Postgres(PostgresSource::open(url, schema, postgres).await?)
            }
        })
    }

    async fn shapes(self) -> Result<(Self, Vec<TableShape>), TransferError> {
        match self {
            Self::Sqlite(source) => {
                let (source, shapes) = source.shapes().await?;
                Ok((Self::Sqlite(source), shapes))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(mut source) => {
                let shapes = source.shapes().await?;
                Ok((Self::Postgres(source), shapes))
            }
        }
    }

    async fn count(self, tables: &[TablePlan]) -> Result<(Self, Vec<u64>), TransferError> {
        match self {
            Self::Sqlite(source) => {
                let (source, counts) = source.count(tables.to_vec()).await?;
                Ok((Self::Sqlite(source), counts))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(mut source) => {
                let counts = source.count(tables).await?;
                Ok((Self::Postgres(source), counts))
            }
        }
    }

    async fn send(
        self,
        tables: Vec<TablePlan>,
        to: mpsc::Sender<Batch>,
    ) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(source) => source.send(tables, to).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(source) => source.send(tables, to).await,
        }
    }
}

impl Target {
    async fn open(
        place: &Place,
        sqlite: &Migrations,
        postgres: &Migrations,
        rules: &Rules,
    ) -> Result<Self, TransferError> {
        #[cfg(not(feature = "postgres"))]
        let _ = postgres;
        Ok(match place {
            Place::Sqlite(path) => {
                if path.exists() {
                    return Err(TransferError::Exists { path: path.clone() });
                }
                Self::Sqlite(SqliteTarget::create(path, sqlite)?)
            }
            #[cfg(feature = "postgres")]
            Place::Postgres { url, schema } => {
                let mut target = PostgresTarget::open(url, schema, postgres).await?;
                if let Some(table) = target.filled_table(rules.made_with_rows).await? {
                    return Err(TransferError::NotEmpty { schema: schema.to_string(), table });
                }
                Self::Postgres(target)
            }
        })
    }

    fn shapes(&self) -> &[TableShape] {
        match self {
            Self::Sqlite(target) => target.shapes(),
            #[cfg(feature = "postgres")]
            Self::Postgres(target) => target.shapes(),
        }
    }

    /// Returns how many rows each table has afterwards.
    async fn write(
        self,
        tables: Vec<TablePlan>,
        batches: mpsc::Receiver<Batch>,
        rules: &Rules,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Vec<u64>, DatabaseError> {
        match self {
            Self::Sqlite(target) => {
                target.write(tables, batches, rules.finish_sqlite.clone(), progress).await
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(target) => {
                target.write(tables, batches, &rules.finish_postgres, progress).await
            }
        }
    }
}
