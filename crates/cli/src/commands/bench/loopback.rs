//! A load generator that costs next to nothing: prepared requests over connections that are kept,
//! one at a time on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The requests to send, each as it goes over the wire.
pub(super) type Requests = Arc<Vec<Vec<u8>>>;

/// Sends all requests over so many connections, each of which must be answered by 200; returns how
/// long that took.
pub(super) async fn send_all(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
) -> anyhow::Result<Duration> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    let mut sending = JoinSet::new();
    for (first, connection) in open.into_iter().enumerate() {
        sending.spawn(connection.send_each(Arc::clone(requests), first, connections));
    }
    while let Some(sent) = sending.join_next().await {
        sent.context("the load generator broke down")??;
    }
    Ok(started.elapsed())
}

/// Returns the body of the answer to one request.
pub(super) async fn body_of(address: SocketAddr, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::open(address).await?;
    let head = connection.exchange(request).await?;
    Ok(connection.answer[head..].to_vec())
}

/// Returns a GET as it goes over the wire.
pub(super) fn get(path: &str, key: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n")
        .into_bytes()
}

/// Returns a PUT of JSON as it goes over the wire.
pub(super) fn put(path: &str, key: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "PUT {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

struct Connection {
    stream: TcpStream,
    /// The last answer, head and body.
    answer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true).context("cannot connect")?;
        Ok(Self { stream, answer: Vec::with_capacity(4096) })
    }

    async fn send_each(
        mut self,
        requests: Requests,
        first: usize,
        step: usize,
    ) -> anyhow::Result<()> {
        for request in requests.iter().skip(first).step_by(step) {
            self.exchange(request).await?;
        }
        Ok(())
    }

    /// Sends a request and reads its answer; returns where the body begins.
    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<usize> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await?;
            anyhow::ensure!(read > 0, "the connection was closed within an answer");
            if let Some(head) = self.head()?
                && self.answer.len() >= head.end + head.body
            {
                return Ok(head.end);
            }
        }
    }

    /// Returns the head of the answer, once all of it is there.
    fn head(&self) -> anyhow::Result<Option<Head>> {
        let Some(end) = memchr::memmem::find(&self.answer, b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&self.answer[..end]).context("the answer is no HTTP")?;
        anyhow::ensure!(
            text.starts_with("HTTP/1.1 200 "),
            "expected 200, got {}",
            text.lines().next().unwrap_or_default()
        );
        let length = text.lines().find_map(|line| {
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        });
        let body = length
            .and_then(|(_, value)| value.trim().parse().ok())
            .context("the answer has no length")?;
        Ok(Some(Head { end: end + 4, body }))
    }
}

/// Where the head ends, and how long the body behind it is.
struct Head {
    end: usize,
    body: usize,
}
