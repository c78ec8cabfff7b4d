//! One step back stays possible, and a step too far is refused: the same on both databases.

use cohort_database::testing::{TestDatabase, fresh_postgres};
use cohort_database::{
    DatabaseError, Migrations, Postgres, PostgresOptions, Sqlite, SqliteOptions, Version,
};
use refinery::{Migration, Runner};
use tempfile::TempDir;

/// A database that programs of several versions open one after the other.
enum Place {
    Sqlite(TempDir),
    Postgres(TestDatabase),
}

impl Place {
    fn both() -> [Self; 2] {
        [Self::Sqlite(tempfile::tempdir().expect("folder")), Self::Postgres(fresh_postgres())]
    }

    async fn open(&self, migrations: &Migrations) -> Result<(), DatabaseError> {
        self.open_as(migrations, false).await
    }

    async fn open_to_read(&self, migrations: &Migrations) -> Result<(), DatabaseError> {
        self.open_as(migrations, true).await
    }

    async fn open_as(&self, migrations: &Migrations, read_only: bool) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(folder) => {
                let options = SqliteOptions {
                    path: folder.path().join("test.db"),
                    readers: 1,
                    read_only,
                    on_commit: None,
                };
                Sqlite::open(options, migrations).map(drop)
            }
            Self::Postgres(database) => {
                Postgres::open(PostgresOptions { read_only, ..database.options() }, migrations)
                    .await
                    .map(drop)
            }
        }
    }
}

/// A program with so many tables, one a migration, that names the oldest program that can work with
/// them.
fn program(version: [u64; 3], tables: u64, oldest: [u64; 3]) -> Migrations {
    let migrations: Vec<Migration> = (1..=tables)
        .map(|n| {
            Migration::unapplied(&format!("V{n}__table"), &format!("CREATE TABLE t{n} (v int)"))
                .expect("migration")
        })
        .collect();
    let of = |[major, minor, patch]: [u64; 3]| Version::new(major, minor, patch);
    Migrations::new(Runner::new(&migrations), of(oldest)).brought_by(of(version))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_one_step_back_opens_a_newer_schema_that_still_fits_it() {
    for place in Place::both() {
        let (older, newer) = (program([1, 3, 0], 1, [1, 0, 0]), program([1, 4, 0], 2, [1, 3, 0]));
        for next in [&older, &newer, &older, &newer] {
            place.open(next).await.expect("opens");
        }
        place.open_to_read(&older).await.expect("opens");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_older_than_the_database_asks_for_is_refused_whatever_it_wants_to_do() {
    for place in Place::both() {
        let too_old = program([1, 2, 9], 1, [1, 0, 0]);
        place.open(&program([1, 4, 0], 2, [1, 3, 0])).await.expect("opens");
        for refused in [place.open(&too_old).await, place.open_to_read(&too_old).await] {
            let refused = refused.expect_err("refused");
            assert!(matches!(&refused, DatabaseError::ProgramTooOld { .. }), "{refused:?}");
            assert!(refused.to_string().contains("1.3.0 or newer, and this is 1.2.9"), "{refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_does_not_let_in_those_that_a_newer_one_has_shut_out() {
    for place in Place::both() {
        place.open(&program([1, 4, 0], 2, [1, 3, 0])).await.expect("opens");
        place.open(&program([1, 3, 0], 1, [1, 0, 0])).await.expect("opens");
        place.open(&program([1, 2, 9], 1, [1, 0, 0])).await.expect_err("refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_went_another_way_is_refused() {
    for place in Place::both() {
        place.open(&program([1, 4, 0], 1, [1, 0, 0])).await.expect("opens");
        let other =
            Migration::unapplied("V1__table", "CREATE TABLE other (v int)").expect("migration");
        let other = Migrations::new(Runner::new(&[other]), Version::new(0, 1, 0))
            .brought_by(Version::new(1, 4, 0));
        let refused = place.open(&other).await.expect_err("refused");
        assert!(matches!(refused, DatabaseError::Migrate { .. }), "{refused:?}");
    }
}
