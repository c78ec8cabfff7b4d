//! Connects to the ledger's schema and brings it up to date.

use std::sync::Arc;

use cohort_database::{
    Heard, Migrations, Planning, Postgres, PostgresOptions, Reader, SchemaName, Version, limits,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::named::execute;
use super::news;
use super::recorder::{self, ToRecorder};
use crate::sealed::Sealed;
use crate::{Ledger, LedgerError};

mod embedded {
    use cohort_database::embed_migrations;

    embed_migrations!("migrations/postgres");
}

/// Every program so far may use the schema.
pub(crate) fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

/// Connections of an agent besides the one that records: few, as each is a process of the server.
const CONNECTIONS: usize = 4;

/// The ledger in one schema of a PostgreSQL database.
pub struct PostgresLedger {
    pub(super) db: Postgres,
    pub(super) recorder: ToRecorder,
    pub(super) news: watch::Receiver<Heard>,
    /// Told of each recording of this process.
    pub(super) recorded: watch::Sender<()>,
    /// The recorder ends with the ledger.
    _working: JoinSet<()>,
}

impl PostgresLedger {
    /// Connects, creates the schema if it is not there, and brings it up to date.
    pub async fn open(url: &str, schema: &str) -> Result<Self, LedgerError> {
        let schema: SchemaName = schema.parse()?;
        let options = PostgresOptions {
            url: url.into(),
            schema,
            readers: CONNECTIONS,
            read_only: false,
            planning: Planning::ByKeys,
        };
        let db = Postgres::open(options, &migrations()).await?;
        draw_incarnation(&db).await?;
        let news = db.listen(&news::channel(db.schema())).await?;
        let (recorder, waiting) = recorder::queue();
        let mut working = JoinSet::new();
        let recorded = watch::Sender::new(());
        working.spawn(recorder::work(db.clone(), waiting, recorded.clone()));
        Ok(Self { db, recorder, news, recorded, _working: working })
    }

    /// A connection of the pool, for one statement or one short transaction.
    pub(super) async fn connection(&self) -> Result<Reader, LedgerError> {
        Ok(self.db.read().await?)
    }

    /// The same, for upkeep and for plans of very many runs.
    pub(super) async fn long_connection(&self) -> Result<Reader, LedgerError> {
        Ok(self.connection().await?.within(limits::LONG))
    }
}

/// Gives a copy that nobody has opened before an incarnation of its own (F11).
async fn draw_incarnation(db: &Postgres) -> Result<(), LedgerError> {
    let draw = "INSERT INTO incarnation (only_row, id)
        VALUES (1, replace(gen_random_uuid()::text, '-', ''))
        ON CONFLICT DO NOTHING";
    execute(&*db.read().await?, draw, &[]).await?;
    Ok(())
}

impl Sealed for PostgresLedger {}

impl From<PostgresLedger> for Arc<dyn Ledger> {
    fn from(ledger: PostgresLedger) -> Self {
        Arc::new(ledger)
    }
}
