//! Writes a whole Config Database anew in another place (F11).
//!
//! ```text
//! incarnation A ──copy──► no incarnation; copied from A ──first opening──► incarnation B
//! ```
//!
//! The copy has everything: documents, preferences, tenants with their zones and labels, keys, the
//! links' secret, history and feed. It only lacks the incarnation, so that whoever opens it first
//! draws a new one, and cursors of the feed of before get 410. A list of members or tenants that
//! was begun before may be read on: it goes by numbers and an instant, which are the same here.

use cohort_database::{Place, Rules, SchemaName, Transfer, TransferError, TransferProgress};
pub use cohort_database::{TransferError as CopyError, Transferred};

use crate::address::DatabaseAddress;
use crate::store::{postgres, sqlite};

/// Tables of which a database has rows as soon as it is made.
const MADE_WITH_ROWS: &[&str] = &["head", "meta", "write_probe"];

/// Tables that only PostgreSQL has: what stands there can be derived.
const OF_POSTGRES: &[&str] = &["head"];

/// Writes everything of one database into another, which must be new or as new.
///
/// # Errors
/// If one of them fails, or if the target has anything; then the target is as it was.
pub async fn copy_config_database(
    from: &DatabaseAddress,
    to: &DatabaseAddress,
    progress: TransferProgress,
) -> Result<Transferred, CopyError> {
    transfer(from, to)?.run(progress).await
}

/// Checks that a database is whole, as far as it can tell, and not of a newer program.
pub async fn verify_config_database(database: &DatabaseAddress) -> Result<(), CopyError> {
    let (sqlite, postgres) = (sqlite::migrations(), postgres::migrations());
    Transfer::verify(&place(database)?, &sqlite, &postgres).await
}

fn transfer(from: &DatabaseAddress, to: &DatabaseAddress) -> Result<Transfer, TransferError> {
    Ok(Transfer {
        from: place(from)?,
        to: place(to)?,
        sqlite: sqlite::migrations(),
        postgres: postgres::migrations(),
        rules: Rules {
            made_with_rows: MADE_WITH_ROWS,
            of_one_database: OF_POSTGRES,
            of_one_column: &[("", "only_row", 1)],
            finish_sqlite: sqlite::FINISH_COPY.into(),
            finish_postgres: postgres::FINISH_COPY.into(),
        },
    })
}

fn place(address: &DatabaseAddress) -> Result<Place, TransferError> {
    Ok(match address {
        DatabaseAddress::Sqlite(path) => Place::Sqlite(path.clone()),
        DatabaseAddress::Postgres { url, schema } => {
            Place::Postgres { url: url.clone(), schema: schema.parse::<SchemaName>()? }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use cohort_database::testing::{dump, fresh_postgres};
    use cohort_database::unplanned;
    use cohort_preferences::Clock;

    use super::*;
    use crate::store::Store;
    use crate::store::conformance::{Hand, daily, put};
    use crate::store::postgres::PostgresStore;
    use crate::store::sqlite::SqliteStore;

    async fn open(path: &Path, clock: &Arc<Hand>) -> SqliteStore {
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        SqliteStore::open(path, clock, false).await.expect("opens")
    }

    /// Whoever adds a table or a column to one database only has to say here what a copy does.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_table_and_no_column_is_forgotten() {
        let folder = tempfile::tempdir().expect("folder");
        let file = |name: &str| DatabaseAddress::Sqlite(folder.path().join(name));
        let server = fresh_postgres();
        let schema = DatabaseAddress::Postgres {
            url: server.url.clone(),
            schema: server.schema.to_string(),
        };
        let made = folder.path().join("made.db");
        drop(open(&made, &Hand::at("2026-12-01T00:00:00Z")).await);
        let forgotten = unplanned(transfer(&file("made.db"), &schema).expect("places")).await;
        assert_eq!(forgotten.expect("compares"), [""; 0]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_config_database_comes_back_from_postgresql_row_by_row() {
        let (folder, server) = (tempfile::tempdir().expect("folder"), fresh_postgres());
        let clock = Hand::at("2026-12-01T00:00:00Z");
        let path = |name: &str| folder.path().join(name);
        let file = |name: &str| DatabaseAddress::Sqlite(path(name));
        let schema = DatabaseAddress::Postgres {
            url: server.url.clone(),
            schema: server.schema.to_string(),
        };
        let first = open(&path("first.db"), &clock).await;
        for user in 0..50 {
            put(&first, &format!("user{user}"), &daily(user % 3)).await;
        }
        put(&first, "user7", &daily(9)).await;
        clock.set("2026-12-05T00:00:00Z");
        let cut = clock.now();
        put(&first, "user8", &daily(9)).await;
        first.forget(cut).await.expect("forgets");

        let quietly: TransferProgress = Arc::new(|_, _| {});
        let copied = copy_config_database(&file("first.db"), &schema, quietly.clone()).await;
        assert!(copied.expect("copies").tables.contains(&("tenant".into(), 50)));
        let back = copy_config_database(&schema, &file("back.db"), quietly.clone()).await;
        back.expect("copies");
        let of_copies = ["meta"];
        assert_eq!(dump(&path("first.db"), &of_copies), dump(&path("back.db"), &of_copies));

        let moved =
            PostgresStore::open(server.url.clone(), server.schema.clone(), clock.clone(), false);
        let moved = moved.await.expect("opens");
        let back = open(&path("back.db"), &clock).await;
        assert_eq!(moved.link_secret(), first.link_secret());
        assert_eq!(
            moved.oldest_kept().await.expect("reads"),
            first.oldest_kept().await.expect("reads")
        );
        assert_ne!(moved.incarnation(), first.incarnation());
        assert_eq!(moved.copied_from(), [first.incarnation()]);
        assert_eq!(back.copied_from(), [first.incarnation()]);
        // Numbers go on behind those that were copied.
        assert_eq!(
            put(&moved, "new", &daily(9)).await.change,
            put(&first, "new", &daily(9)).await.change
        );
        let again = copy_config_database(&file("first.db"), &schema, quietly).await;
        assert!(matches!(again, Err(CopyError::NotEmpty { .. })), "{again:?}");
    }
}
