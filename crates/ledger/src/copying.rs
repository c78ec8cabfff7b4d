//! Writes a whole ledger anew in another place (F11).
//!
//! The copy has everything: definitions, runs, chunks, outcomes and the feed. It only lacks the
//! incarnation, so that whoever opens it first draws a new one, and it says what it is a copy of
//! (`recovery`): that of a ledger at work is held when it is opened.

use std::path::PathBuf;

use cohort_database::{Place, Rules, Transfer, TransferProgress};
pub use cohort_database::{TransferError as CopyError, Transferred};
use jiff::Timestamp;

use crate::recovery::RecoveryState;
use crate::rows::micros;
use crate::{postgres, sqlite};

/// Tables of which a ledger has rows as soon as it is made.
const MADE_WITH_ROWS: &[&str] =
    &["incarnation", "definition_revision", "feed_pruned", "write_probe"];

/// What a copy is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyPurpose {
    /// The ledger goes on elsewhere, and nobody works on this one any more.
    Move,
    /// To be gone back to: agents hold when it is opened. Nothing after this instant is in it.
    Backup {
        /// The instant before which the copy began.
        as_of: Timestamp,
    },
    /// A backup is put back: it stays what it says.
    Restore,
}

/// Where a ledger is.
#[derive(Clone)]
pub enum LedgerPlace {
    /// In a file.
    Sqlite(PathBuf),
    /// In a schema of a server.
    Postgres {
        /// The server's address.
        url: String,
        /// The schema.
        schema: String,
    },
}

/// Writes everything of one ledger into another, which must be new or as new.
///
/// # Errors
/// If one of them fails, or if the target has anything; then the target is as it was.
pub async fn copy_ledger(
    from: &LedgerPlace,
    to: &LedgerPlace,
    purpose: CopyPurpose,
    now: Timestamp,
    progress: TransferProgress,
) -> Result<Transferred, CopyError> {
    transfer(from, to, purpose, now)?.run(progress).await
}

/// Checks that a ledger is whole, as far as its database can tell, and not of a newer program.
pub async fn verify_ledger(ledger: &LedgerPlace) -> Result<(), CopyError> {
    let (sqlite, postgres) = (sqlite::migrations(), postgres::migrations());
    Transfer::verify(&place(ledger)?, &sqlite, &postgres).await
}

fn transfer(
    from: &LedgerPlace,
    to: &LedgerPlace,
    purpose: CopyPurpose,
    now: Timestamp,
) -> Result<Transfer, CopyError> {
    let mark = match purpose {
        CopyPurpose::Restore => None,
        CopyPurpose::Move => Some((RecoveryState::Moved, micros(now))),
        CopyPurpose::Backup { as_of } => Some((RecoveryState::Held, micros(as_of))),
    };
    Ok(Transfer {
        from: place(from)?,
        to: place(to)?,
        sqlite: sqlite::migrations(),
        postgres: postgres::migrations(),
        rules: Rules {
            made_with_rows: MADE_WITH_ROWS,
            of_one_database: &[],
            // Of transactions that never overlap, as on SQLite, the numbers are the order.
            of_one_column: &[
                ("", "only_row", 1),
                ("settlement", "transaction", 0),
                ("feed_pruned", "transaction", 0),
            ],
            finish_sqlite: sqlite::finish_copy(mark),
            finish_postgres: postgres::finish_copy(mark),
        },
    })
}

fn place(place: &LedgerPlace) -> Result<Place, CopyError> {
    Ok(match place {
        LedgerPlace::Sqlite(path) => Place::Sqlite(path.clone()),
        LedgerPlace::Postgres { url, schema } => {
            Place::Postgres { url: url.clone(), schema: schema.parse()? }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cohort_database::testing::{TestDatabase, dump, fresh_postgres};
    use cohort_database::unplanned;

    use super::*;
    use crate::conformance::feed;
    use crate::{Ledger, LedgerError, PostgresLedger, RecordLedger, RecoveryLedger, SqliteLedger};

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().expect("an instant")
    }

    fn quietly() -> TransferProgress {
        Arc::new(|_, _| {})
    }

    fn schema(database: &TestDatabase) -> LedgerPlace {
        LedgerPlace::Postgres { url: database.url.clone(), schema: database.schema.to_string() }
    }

    async fn copy(from: &LedgerPlace, to: &LedgerPlace, purpose: CopyPurpose) -> Transferred {
        copy_ledger(from, to, purpose, now(), quietly()).await.expect("copies")
    }

    /// Whoever adds a table or a column to one database only has to say here what a copy does.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_table_and_no_column_is_forgotten() {
        let (folder, server) = (tempfile::tempdir().expect("folder"), fresh_postgres());
        let path = folder.path().join("made.db");
        drop(SqliteLedger::open(&path, false).expect("opens"));
        let file = LedgerPlace::Sqlite(path);
        let transfer = transfer(&file, &schema(&server), CopyPurpose::Restore, now());
        let forgotten = unplanned(transfer.expect("places")).await;
        assert_eq!(forgotten.expect("compares"), [""; 0]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_ledger_comes_back_from_postgresql_row_by_row() {
        let (folder, server) = (tempfile::tempdir().expect("folder"), fresh_postgres());
        let path = |name: &str| folder.path().join(name);
        let (first, back) = (LedgerPlace::Sqlite(path("first.db")), path("back.db"));
        let ledger: Arc<dyn Ledger> =
            SqliteLedger::open(&path("first.db"), false).expect("opens").into();
        feed::record(&*ledger, 60, 1).await;
        let there = copy(&first, &schema(&server), CopyPurpose::Move).await;
        copy(&schema(&server), &LedgerPlace::Sqlite(back.clone()), CopyPurpose::Restore).await;
        assert!(there.tables.iter().any(|(table, rows)| table == "outcome" && *rows == 60));
        let of_copies = ["incarnation", "recovery"];
        assert_eq!(dump(&path("first.db"), &of_copies), dump(&back, &of_copies));

        let moved = PostgresLedger::open(&server.url, server.schema.as_str()).await.expect("opens");
        let cursor = ledger.outcome_feed(None, 10).await.expect("reads").next;
        let refused = moved.outcome_feed(Some(cursor), 10).await;
        assert!(matches!(refused, Err(LedgerError::CursorGone)), "of another incarnation");
        let everything = moved.outcome_feed(None, 1_000).await.expect("reads");
        assert_eq!(everything.outcomes.len(), 60);
        assert!(!moved.recovery().await.expect("reads").expect("a copy").is_held());
        let again =
            copy_ledger(&first, &schema(&server), CopyPurpose::Move, now(), quietly()).await;
        assert!(matches!(again, Err(CopyError::NotEmpty { .. })));
    }

    #[tokio::test]
    async fn each_opening_of_a_backup_is_another_incarnation_and_is_held() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        let place = |name: &str| LedgerPlace::Sqlite(path(name));
        let ledger = SqliteLedger::open(&path("at_work.db"), false).expect("opens");
        feed::record(&ledger, 3, 1).await;
        copy(&place("at_work.db"), &place("backup.db"), CopyPurpose::Backup { as_of: now() }).await;
        verify_ledger(&place("backup.db")).await.expect("whole");
        let mut cursors = Vec::new();
        for name in ["one.db", "two.db"] {
            copy(&place("backup.db"), &place(name), CopyPurpose::Restore).await;
            let restored = SqliteLedger::open(&path(name), false).expect("opens");
            let recovery = restored.recovery().await.expect("reads").expect("a copy");
            assert_eq!((recovery.is_held(), recovery.as_of), (true, now()));
            let cursor = restored.outcome_feed(None, 10).await.expect("reads").next;
            cursors.push(cursor.split_once('-').expect("with an incarnation").0.to_owned());
        }
        assert_ne!(cursors[0], cursors[1]);
    }

    #[tokio::test]
    async fn a_damaged_file_is_not_taken_for_a_backup() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("backup.db");
        let target = LedgerPlace::Sqlite(path.clone());
        let made = LedgerPlace::Sqlite(folder.path().join("made.db"));
        drop(SqliteLedger::open(&folder.path().join("made.db"), false).expect("opens"));
        copy(&made, &target, CopyPurpose::Backup { as_of: now() }).await;
        let mut bytes = std::fs::read(&path).expect("reads");
        let half = bytes.len() / 2;
        bytes[half..].fill(0x5a);
        std::fs::write(&path, bytes).expect("writes");
        assert!(verify_ledger(&target).await.is_err());
        let missing = LedgerPlace::Sqlite(folder.path().join("missing.db"));
        assert!(matches!(verify_ledger(&missing).await, Err(CopyError::Nothing(_))));
    }
}
