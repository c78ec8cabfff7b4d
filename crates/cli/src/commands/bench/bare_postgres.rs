//! The raw limit of an import on PostgreSQL: the rows that it leaves, by COPY into the same tables
//! with the same indexes, durably.
//!
//! Nothing is validated, looked up or counted, and the JSON is not read.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::body::Bytes;
use futures_util::SinkExt;
use tokio_postgres::{Client, Transaction};

use super::users;

/// Users of a transaction.
const USERS_A_TRANSACTION: u64 = 10_000;

/// Writes so many users into the schema of a service that holds nothing; returns how long the
/// database took.
pub(super) async fn write(
    mut client: Client,
    schema: &str,
    users: u64,
) -> anyhow::Result<Duration> {
    client
        .batch_execute(&format!("SET search_path = \"{schema}\""))
        .await
        .context("cannot use the schema")?;
    write_groups(&client).await.context("cannot write the groups")?;
    let mut took = Duration::ZERO;
    for first in (0..users).step_by(USERS_A_TRANSACTION as usize) {
        let rows = Rows::of(first..users.min(first + USERS_A_TRANSACTION), first);
        let started = Instant::now();
        let transaction = client.transaction().await?;
        rows.write(&transaction).await.context("cannot write users")?;
        transaction.commit().await?;
        took += started.elapsed();
    }
    Ok(took)
}

async fn write_groups(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.execute("INSERT INTO feature (feature_type) VALUES ($1)", &[&users::FEATURE]).await?;
    let insert = "INSERT INTO stated_group (feature, frequency, time_key, timezone, count, since) \
        SELECT (SELECT min(id) FROM feature), 'daily', number::text, '-', 0, 0 \
        FROM generate_series(1, $1::bigint) AS number";
    client.execute(insert, &[&(users::GROUPS as i64)]).await?;
    Ok(())
}

/// The rows of a transaction, each table's in the order of its key, as text for COPY.
struct Rows {
    tenants: String,
    changes: String,
    preferences: String,
}

impl Rows {
    fn of(users: std::ops::Range<u64>, before: u64) -> Self {
        let mut sorted: Vec<_> = users.map(|user| (users::tenant(user), user)).collect();
        sorted.sort_unstable();
        let mut rows =
            Self { tenants: String::new(), changes: String::new(), preferences: String::new() };
        let at = 1_800_000_000_000_000 + before;
        for ((name, user), number) in sorted.into_iter().zip(before + 1..) {
            let (group, json) = (users::group(user) + 1, users::preference(user));
            let written = writeln!(rows.tenants, "{number}\t{name}\t{at}")
                .and_then(|()| {
                    writeln!(
                        rows.changes,
                        "{number}\t{at}\t{number}\t1\t1\t{group}\t{json}\tbench\t0"
                    )
                })
                .and_then(|()| {
                    writeln!(rows.preferences, "{number}\t1\t1\t{number}\t{at}\t{group}\t{at}")
                });
            written.expect("a String takes everything");
        }
        rows
    }

    async fn write(self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        copy(transaction, "COPY tenant (id, tenant_id, created_at) FROM STDIN", self.tenants)
            .await?;
        let changes = "COPY change (id, at, tenant, feature, version, joined_group, preference, \
            actor, rules) FROM STDIN";
        copy(transaction, changes, self.changes).await?;
        let preferences = "COPY preference (tenant, feature, version, change_id, stated_since, \
            group_id, group_since) FROM STDIN";
        copy(transaction, preferences, self.preferences).await
    }
}

async fn copy(
    transaction: &Transaction<'_>,
    statement: &str,
    rows: String,
) -> Result<(), tokio_postgres::Error> {
    let mut sink = Box::pin(transaction.copy_in::<_, Bytes>(statement).await?);
    sink.send(rows.into()).await?;
    sink.as_mut().finish().await?;
    Ok(())
}
