//! `cohort bench read`: one preference, from the service and from the client's cache.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use axum::serve::ListenerExt;
use clap::Args;
use cohort_config_client::ConfigDatabaseClient;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::database::{Database, DatabaseArgs};
use super::figure::{Runs, Workload};
use super::loopback::{self, Requests};
use super::stage::{Stage, write_lines};
use super::users;
use crate::config::Environment;
use crate::services::BASE;

const EXAMPLE: &str = r#"Example:
  cohort bench read --users 100000 --connections 32

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: service_rate, bare_server_rate (a server
that answers the same bytes and does nothing else, asked in the same way), ratio_to_bare_server, client_cached and
client_cold (a read through the client's cache, and one that has to ask the service)."#;

/// Reads through the client's cache in a run.
const CACHED_READS: u64 = 1_000_000;

/// Users whose documents are in the cache then.
const CACHED_USERS: u64 = 1_000;

/// Measure reads of one preference against a server that does nothing
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct BenchRead {
    /// How many users are stored
    #[arg(long, value_name = "N", default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,
    /// How many requests a run
    #[arg(long, value_name = "N", default_value_t = 200_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 32,
        value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    #[command(flatten)]
    runs: Runs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What the runs measured.
#[derive(Default)]
struct Measured {
    rates: Vec<f64>,
    bare_rates: Vec<f64>,
    ratios: Vec<f64>,
    cached: Vec<f64>,
    cold: Vec<f64>,
}

impl BenchRead {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let database = self.database.database(environment)?;
        let stage = self.fill(&database).await?;
        let requests: Requests =
            Arc::new((0..self.requests).map(|read| self.request(read, &stage.key)).collect());
        let bare =
            serve_bytes(loopback::body_of(stage.address(), &requests[0]).await?.into()).await?;
        let mut measured = Measured::default();
        for run in 1..=self.runs.count {
            let rate = self.rate(stage.address(), &requests).await?;
            let bare_rate = self.rate(bare, &requests).await?;
            let (cold, cached) = self.through_client(&stage).await?;
            eprintln!(
                "run {run}: {rate:.0} requests a second, the bare server {bare_rate:.0}; client \
                 {cached:.0} ns, cold {cold:.0} ns"
            );
            measured.rates.push(rate);
            measured.bare_rates.push(bare_rate);
            measured.ratios.push(rate / bare_rate);
            measured.cached.push(cached);
            measured.cold.push(cold);
        }
        stage.end().await?;
        self.print(&database, &measured)
    }

    async fn fill(&self, database: &Database) -> anyhow::Result<Stage> {
        let input = TempDir::new().context("cannot make a folder")?;
        let lines = input.path().join("lines.jsonl");
        write_lines(&lines, (0..self.users).map(users::line))?;
        let stage = Stage::empty(database).await?;
        stage.import(&lines, self.users).await?;
        eprintln!("{} users are stored", self.users);
        Ok(stage)
    }

    fn request(&self, read: u64, key: &str) -> Vec<u8> {
        let tenant = users::tenant(read % self.users);
        loopback::get(&format!("{BASE}/tenants/{tenant}/preferences/{}", users::FEATURE), key)
    }

    async fn rate(&self, address: SocketAddr, requests: &Requests) -> anyhow::Result<f64> {
        let took = loopback::send_all(address, requests, self.connections.into()).await?;
        Ok(self.requests as f64 / took.as_secs_f64())
    }

    /// Nanoseconds of a read that asks the service, and of one that does not.
    async fn through_client(&self, stage: &Stage) -> anyhow::Result<(f64, f64)> {
        let client = stage.client()?;
        let names: Vec<String> = (0..CACHED_USERS.min(self.users)).map(users::tenant).collect();
        let cold = nanoseconds_a_read(&client, names.iter()).await?;
        let reads = CACHED_READS as usize / names.len() * names.len();
        let cached = nanoseconds_a_read(&client, names.iter().cycle().take(reads)).await?;
        Ok((cold, cached))
    }

    fn print(&self, database: &Database, measured: &Measured) -> anyhow::Result<()> {
        let workload = Workload { name: "read", backend: database.name(), users: self.users };
        workload.print("service_rate", "requests/s", &measured.rates)?;
        workload.print("bare_server_rate", "requests/s", &measured.bare_rates)?;
        workload.print("ratio_to_bare_server", "1", &measured.ratios)?;
        workload.print("client_cached", "ns", &measured.cached)?;
        workload.print("client_cold", "ns", &measured.cold)?;
        Ok(())
    }
}

async fn nanoseconds_a_read(
    client: &ConfigDatabaseClient,
    names: impl Iterator<Item = &String>,
) -> anyhow::Result<f64> {
    let (started, mut reads) = (Instant::now(), 0_u64);
    for name in names {
        std::hint::black_box(client.get_user_preferences(name).await?);
        reads += 1;
    }
    Ok(started.elapsed().as_nanos() as f64 / reads as f64)
}

/// A server that answers every request with these bytes.
async fn serve_bytes(body: Bytes) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen")?;
    let address = listener.local_addr().context("cannot tell where the server listens")?;
    let answer = move || async move {
        ([(header::CONTENT_TYPE, "application/json"), (header::ETAG, "\"1\"")], body)
    };
    let listener = listener.tap_io(|connection| {
        // The service's own listener does the same.
        let _slower = connection.set_nodelay(true);
    });
    tokio::spawn(axum::serve(listener, Router::new().fallback(get(answer))).into_future());
    Ok(address)
}
