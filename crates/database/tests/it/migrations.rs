//! Two processes that start at once.

use cohort_database::statement::query;
use cohort_database::testing::fresh_postgres;
use cohort_database::{DatabaseError, Migrations, Postgres, Version};
use refinery::{Migration, Runner};

/// Two tables, of which a process that does not wait for its turn creates the first a second time.
fn two_tables() -> Migrations {
    let first =
        Migration::unapplied("V1__first", "SELECT pg_sleep(0.05); CREATE TABLE first (v int)")
            .expect("migration");
    let second =
        Migration::unapplied("V2__second", "CREATE TABLE second (v int)").expect("migration");
    Migrations::new(Runner::new(&[first, second]), Version::new(0, 1, 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_the_same_moment_all_find_the_schema_ready() {
    let database = fresh_postgres();
    let opening: Vec<_> = (0..8).map(|_| tokio::spawn(open(database.options()))).collect();
    for opened in opening {
        let opened = opened.await.expect("no panic").expect("opens");
        let reader = opened.read().await.expect("connects");
        query(&*reader, "SELECT FROM first, second", &[]).await.expect("both tables are there");
    }
}

async fn open(options: cohort_database::PostgresOptions) -> Result<Postgres, DatabaseError> {
    Postgres::open(options, &two_tables()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_says_so_and_leaves_nothing_of_itself() {
    let database = fresh_postgres();
    let wrong = Migration::unapplied("V1__wrong", "CREATE TABLE first (v int); SELECT nothing")
        .expect("migration");
    let wrong = Migrations::new(Runner::new(&[wrong]), Version::new(0, 1, 0));
    let failed = Postgres::open(database.options(), &wrong).await.err().expect("fails");
    assert!(matches!(failed, DatabaseError::Migrate { .. }), "{failed:?}");
    Postgres::open(database.options(), &two_tables()).await.expect("the table is not in the way");
}
