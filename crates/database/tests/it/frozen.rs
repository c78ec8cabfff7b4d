//! A server that is frozen: it takes connections, and never answers (F6).

use cohort_database::statement::{execute, query};
use cohort_database::testing::PrivateServer;
use cohort_database::{DatabaseError, FaultCause, Planning, Postgres, PostgresOptions};

use crate::connections::one_table;

#[tokio::test(flavor = "multi_thread")]
async fn every_wait_for_a_frozen_server_ends_and_everything_goes_on_once_it_answers_again() {
    let server = PrivateServer::start();
    let options = PostgresOptions {
        url: server.url.clone(),
        schema: "frozen".parse().expect("a name"),
        readers: 1,
        read_only: false,
        planning: Planning::ByCost,
    };
    let postgres = Postgres::open(options, &one_table()).await.expect("opens");
    let mut heard = postgres.listen("news").await.expect("listens");
    let mut own = postgres.connect(Planning::ByCost).await.expect("connects");
    let tx = own.transaction().await.expect("begins");
    execute(&tx, "INSERT INTO t VALUES (1)", &[]).await.expect("inserts");
    let reader = postgres.read().await.expect("connects");
    query(&*reader, "SELECT FROM t", &[]).await.expect("reads");

    server.freeze();
    let (read, written, committed, no_slot) = tokio::join!(
        query(&*reader, "SELECT FROM t", &[]),
        async {
            let other = postgres.connect(Planning::ByCost).await;
            other.map(drop)
        },
        tx.commit(),
        postgres.read(),
    );
    let read = read.expect_err("frozen");
    assert!(read.cause() == FaultCause::NoAnswer && !read.is_outcome_unknown(), "{read:?}");
    assert!(written.is_err_and(|error| error.cause() == FaultCause::NoAnswer));
    let committed = committed.expect_err("frozen");
    assert!(matches!(committed, DatabaseError::Unknown(_)), "{committed:?}");
    assert_eq!(no_slot.err().expect("in use").cause(), FaultCause::AllConnectionsInUse);
    assert!(reader.is_closed(), "a connection whose statement ran into the limit is thrown away");
    assert!(own.is_closed());
    drop(reader);

    server.thaw();
    let reader = postgres.read().await.expect("connects anew");
    query(&*reader, "SELECT FROM t", &[]).await.expect("reads");
    execute(&*reader, "SELECT pg_notify('news', 'again')", &[]).await.expect("notifies");
    heard.wait_for(|heard| heard.payload.as_deref() == Some("again")).await.expect("lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_slots_says_so_at_once_and_the_pool_goes_on_when_one_is_free() {
    let server = PrivateServer::start();
    let options = |url: &str| PostgresOptions {
        url: url.into(),
        schema: "slots".parse().expect("a name"),
        readers: 4,
        read_only: false,
        planning: Planning::ByCost,
    };
    let all = Postgres::open(options(&server.url), &one_table()).await.expect("opens");
    let admin = all.connect(Planning::ByCost).await.expect("connects");
    for statement in [
        "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 2",
        "GRANT ALL ON SCHEMA slots TO few",
        "GRANT ALL ON ALL TABLES IN SCHEMA slots TO few",
    ] {
        execute(&admin, statement, &[]).await.expect("granted");
    }
    let (_, at) = server.url.split_once('@').expect("an address");
    let few = PostgresOptions { read_only: true, ..options(&format!("postgres://few:few@{at}")) };
    let postgres = Postgres::open(few, &one_table()).await.expect("opens");
    let one = postgres.read().await.expect("a slot");
    let other = postgres.read().await.expect("the last slot");
    for _ in 0..10 {
        let refused = postgres.read().await.err().expect("no slot");
        assert_eq!(refused.cause(), FaultCause::NoConnectionSlots, "{refused:?}");
    }
    drop(one);
    postgres.read().await.expect("the one that was given back");
    drop(other);
    query(&*postgres.read().await.expect("a slot"), "SELECT FROM t", &[]).await.expect("reads");
}
