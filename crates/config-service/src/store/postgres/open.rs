//! Connects to the database and lends connections.

use std::sync::Arc;

use cohort_database::statement::{execute, query_opt};
use cohort_database::{
    Migrations, Planning, Postgres, PostgresOptions, Reader, SchemaName, Version, limits,
};
use cohort_preferences::Clock;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use super::follow;
use super::process::Process;
use super::queue::{self, Queue};
use super::session::Session;
use super::signals::Signals;
use super::stamps::Stamps;
use crate::error::Result;
use crate::store::identity::Identity;
use crate::store::names::Names;

mod embedded {
    use cohort_database::embed_migrations;

    embed_migrations!("migrations/postgres");
}

/// Every program so far may use the schema.
pub(crate) fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

/// Connections that read: few, as each is a process of the server.
const READERS: usize = 8;

/// A Config Database in one schema of a PostgreSQL database.
pub(crate) struct PostgresStore {
    pub(super) process: Arc<Process>,
    pub(super) identity: Identity,
    pub(super) queue: Queue,
    pub(super) session: Arc<Mutex<Session>>,
    /// The tasks in the background end with the store.
    _working: JoinSet<()>,
}

impl PostgresStore {
    /// Connects, creating or migrating the schema unless `read_only`.
    pub(crate) async fn open(
        url: String,
        schema: SchemaName,
        clock: Arc<dyn Clock>,
        read_only: bool,
    ) -> Result<Self> {
        let db = Postgres::open(
            PostgresOptions {
                url,
                schema,
                readers: READERS,
                read_only,
                planning: Planning::ByCost,
            },
            &migrations(),
        )
        .await?;
        if !read_only {
            write_identity(&db).await?;
        }
        let identity = read_identity(&db).await?;
        let signals = Signals::new(db.schema());
        // A server that only follows another notifies nobody.
        let heard = match db.listen(signals.channel()).await {
            Err(_cannot_listen) if read_only => None,
            heard => Some(heard?),
        };
        let stamps = Stamps::new(db.clone(), Arc::clone(&clock), read_only);
        let process = Arc::new(Process { db, clock, names: Names::default(), stamps, signals });
        follow::look(&process).await?;
        let session = Arc::new(Mutex::new(Session::new(Arc::clone(&process))));
        let (queue, jobs) = queue::queue();
        let mut working = JoinSet::new();
        working.spawn(queue::work(Arc::clone(&session), jobs));
        working.spawn(follow::follow(Arc::clone(&process), heard));
        Ok(Self { process, identity, queue, session, _working: working })
    }

    /// Takes a connection from the pool, for one snapshot.
    pub(super) async fn reader(&self) -> Result<Reader> {
        Ok(self.process.db.read().await?)
    }

    /// Takes a connection from the pool, for a snapshot that may hold very many rows.
    pub(super) async fn list_reader(&self) -> Result<Reader> {
        Ok(self.reader().await?.within(limits::LIST))
    }

    /// Takes a connection from the pool, for upkeep.
    pub(super) async fn upkeep_reader(&self) -> Result<Reader> {
        Ok(self.reader().await?.within(limits::LONG))
    }

    /// Waits for the connection that writes, for a write that shares its transaction with no other.
    pub(super) async fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().await
    }
}

async fn write_identity(db: &Postgres) -> Result<()> {
    let reader = db.read().await?;
    let insert = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    for (key, value) in Identity::KEYS.iter().zip(Identity::random()) {
        execute(&*reader, insert, &[key, &value]).await?;
    }
    Ok(())
}

async fn read_identity(db: &Postgres) -> Result<Identity> {
    let reader = db.read().await?;
    let value = async |key: &str| {
        query_opt(&*reader, "SELECT value FROM meta WHERE key = $1", &[&key])
            .await
            .map(|row| row.map(|row| row.get::<_, String>("value")))
    };
    let [incarnation, link_secret] = Identity::KEYS;
    let copied_from = value(Identity::COPIED_FROM).await?;
    Identity::read([value(incarnation).await?, value(link_secret).await?], copied_from.as_deref())
}
