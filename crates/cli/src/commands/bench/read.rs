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
use tokio::net::TcpListener;

use super::loopback::{self, Requests};
use super::measurement::BenchArgs;
use super::stage::Stage;
use super::users;
use crate::config::Environment;
use crate::services::BASE;

const EXAMPLE: &str = r#"Example:
  cohort bench read --users 100000 --connections 32

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: service_rate,
bare_server_rate (a server that answers the same bytes and does nothing else, asked in the same
way), ratio_to_bare_server, client_cached and client_cold (a read through the client's cache, and
one that has to ask the service)."#;

/// Reads through the client's cache in a run.
const CACHED_READS: u64 = 1_000_000;

/// Users whose documents are in the cache then.
const CACHED_USERS: u64 = 1_000;

/// Measure reads of one preference against a server that does nothing
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct BenchRead {
    #[command(flatten)]
    bench: BenchArgs,
    /// How many requests a run
    #[arg(long, value_name = "N", default_value_t = 200_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 32,
        value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
}

impl BenchRead {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut measurement = self.bench.begin("read", environment)?;
        let stage = measurement.stage(users::line).await?;
        let requests: Requests =
            Arc::new((0..self.requests).map(|read| self.request(read, &stage.key)).collect());
        let answer = loopback::body_of(stage.address(), &requests[0]).await?;
        let bare = serve_bytes(answer.into()).await?;
        for run in measurement.runs() {
            let rate = self.rate(stage.address(), &requests).await?;
            let bare_rate = self.rate(bare, &requests).await?;
            let (cold, cached) = self.through_client(&stage).await?;
            measurement.note("service_rate", "requests/s", rate);
            measurement.note("bare_server_rate", "requests/s", bare_rate);
            measurement.note("ratio_to_bare_server", "1", rate / bare_rate);
            measurement.note("client_cached", "ns", cached);
            measurement.note("client_cold", "ns", cold);
            let told = format!(
                "{rate:.0} requests a second, the bare server {bare_rate:.0}; client {cached:.0} \
                 ns, cold {cold:.0} ns"
            );
            measurement.end_run(run, &told);
        }
        stage.end().await?;
        measurement.finish()
    }

    fn request(&self, read: u64, key: &str) -> Vec<u8> {
        let tenant = users::tenant(read % self.bench.users);
        loopback::get(&format!("{BASE}/tenants/{tenant}/preferences/{}", users::FEATURE), key)
    }

    async fn rate(&self, address: SocketAddr, requests: &Requests) -> anyhow::Result<f64> {
        let took = loopback::send_all(address, requests, self.connections.into()).await?;
        Ok(self.requests as f64 / took.as_secs_f64())
    }

    /// Returns the nanoseconds of a read that asks the service, and of one that does not.
    async fn through_client(&self, stage: &Stage) -> anyhow::Result<(f64, f64)> {
        let client = stage.client()?;
        let names: Vec<String> =
            (0..CACHED_USERS.min(self.bench.users)).map(users::tenant).collect();
        let cold = nanoseconds_a_read(&client, names.iter()).await?;
        let reads = CACHED_READS as usize / names.len() * names.len();
        let cached = nanoseconds_a_read(&client, names.iter().cycle().take(reads)).await?;
        Ok((cold, cached))
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

/// Starts a server that answers every request with these bytes.
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
