//! What a connection promises, also when it breaks.

use std::str::FromStr;

use cohort_database::statement::{execute, execute_all, query, query_one};
use cohort_database::testing::fresh_postgres;
use cohort_database::{
    DatabaseError, Migrations, Planning, Postgres, PostgresOptions, SchemaName, Version,
};
use refinery::{Migration, Runner};

pub(crate) fn one_table() -> Migrations {
    let table = Migration::unapplied("V1__table", "CREATE TABLE t (v int)").expect("migration");
    Migrations::new(Runner::new(&[table]), Version::new(0, 1, 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_works_in_the_schema_and_has_limits() {
    let database = fresh_postgres();
    let postgres = Postgres::open(database.options(), &one_table()).await.expect("opens");
    let own = postgres.connect(Planning::ByCost).await.expect("connects");
    execute(&own, "INSERT INTO t VALUES (1)", &[]).await.expect("inserts");
    let reader = postgres.read().await.expect("connects");
    for client in [&own, &*reader] {
        let seen = "SELECT current_schema()::text, \
            current_setting('idle_in_transaction_session_timeout'), (SELECT v FROM t)";
        let seen = query_one(client, seen, &[]).await.expect("reads");
        assert_eq!((seen.get(0), seen.get(1), seen.get(2)), (database.schema.as_str(), "7s", 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_sees_one_state_and_refuses_writes() {
    let database = fresh_postgres();
    let postgres = Postgres::open(database.options(), &one_table()).await.expect("opens");
    let own = postgres.connect(Planning::ByCost).await.expect("connects");
    let mut reader = postgres.read().await.expect("connects");
    let snapshot = reader.snapshot().await.expect("begins");
    let count = async || {
        query_one(&snapshot, "SELECT count(*) FROM t", &[]).await.expect("reads").get::<_, i64>(0)
    };
    assert_eq!(count().await, 0);
    execute(&own, "INSERT INTO t VALUES (1)", &[]).await.expect("inserts");
    assert_eq!(count().await, 0);
    execute(&snapshot, "INSERT INTO t VALUES (2)", &[]).await.expect_err("refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_to_read_refuses_writes() {
    let database = fresh_postgres();
    Postgres::open(database.options(), &one_table()).await.expect("opens");
    let options = PostgresOptions { read_only: true, ..database.options() };
    let postgres = Postgres::open(options, &one_table()).await.expect("opens");
    let own = postgres.connect(Planning::ByCost).await.expect("connects");
    execute(&own, "INSERT INTO t VALUES (1)", &[]).await.expect_err("refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_and_says_when_it_may_have_missed_something() {
    let database = fresh_postgres();
    let postgres = Postgres::open(database.options(), &one_table()).await.expect("opens");
    let mut heard = postgres.listen("a \"channel\"").await.expect("listens");
    let own = postgres.connect(Planning::ByCost).await.expect("connects");

    execute_all(&own, "NOTIFY \"a \"\"channel\"\"\", 'one'").await.expect("notifies");
    let first = heard.wait_for(|heard| heard.payload.is_some()).await.expect("lives").clone();
    assert_eq!((first.payload.as_deref(), first.connections), (Some("one"), 1));

    let listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE \
        'LISTEN%' AND application_name = $1";
    let ended =
        query(&own, listening, &[&format!("cohort {}", database.schema)]).await.expect("ends it");
    assert_eq!(ended.len(), 1);
    heard.wait_for(|heard| heard.connections == 2).await.expect("lives");

    execute_all(&own, "NOTIFY \"a \"\"channel\"\"\", 'two'").await.expect("notifies");
    heard.wait_for(|heard| heard.payload.as_deref() == Some("two")).await.expect("lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_the_pool_that_broke_is_replaced_and_the_error_passes() {
    let database = fresh_postgres();
    let options = PostgresOptions { readers: 1, ..database.options() };
    let postgres = Postgres::open(options, &one_table()).await.expect("opens");
    let reader = postgres.read().await.expect("connects");
    let ends = "SELECT pg_terminate_backend(pg_backend_pid())";
    let ended: DatabaseError = query(&*reader, ends, &[]).await.expect_err("ended");
    assert!(ended.is_transient(), "{ended:?}");
    while !reader.is_closed() {
        tokio::task::yield_now().await;
    }
    drop(reader);
    let reader = postgres.read().await.expect("connects");
    query(&*reader, "SELECT FROM t", &[]).await.expect("reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_may_be_there_later_and_a_wrong_statement_stays_wrong() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("binds")
        .local_addr()
        .expect("address")
        .port();
    let url = format!("postgres://user:secret@127.0.0.1:{port}/cohort");
    let schema = SchemaName::from_str("cohort").expect("name");
    let options =
        PostgresOptions { url, schema, readers: 1, read_only: false, planning: Planning::ByCost };
    let unreached = Postgres::open(options, &one_table()).await.err().expect("nobody is there");
    assert!(unreached.is_transient(), "{unreached:?}");
    assert!(!format!("{unreached} {unreached:?}").contains("secret"));

    let database = fresh_postgres();
    let postgres = Postgres::open(database.options(), &one_table()).await.expect("opens");
    let reader = postgres.read().await.expect("connects");
    let wrong = query(&*reader, "SELECT nothing", &[]).await.expect_err("wrong");
    assert!(!wrong.is_transient());
}
