//! `POST /preferences/import`: JSON Lines in, a result per line out, both streamed.
//!
//! ```text
//! body ─► lines ─► batches of up to 10,000 ─► read (next batch) ─► written (this batch) ─► results
//! ```
//!
//! A batch is one transaction, read while the one before is written. Memory is bounded by batches, not by the import. A
//! stream that pauses is written as far as it has come, so that a slow sender sees its results.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::auth::Writer;
use crate::error::ConfigServiceError;
use crate::import::{Batch, Line, LineResult, Lines};
use crate::service::ConfigService;

/// Lines of a batch: one transaction, and how long other writers wait behind it.
const LINES_A_BATCH: usize = 10_000;

/// Bytes after which a batch ends even if it has fewer lines.
const BYTES_A_BATCH: usize = 8 << 20;

/// How long a stream may pause before what has come is written.
const PAUSE: Duration = Duration::from_millis(100);

/// Imports preferences
///
/// JSON Lines in: `{"tenant_id", "feature_type", "preference"}`, or a document with its `tenant_id`, which leaves the features
/// that it does not name alone. A result per line out, streamed: good lines are stored, bad ones are refused with the cause.
#[utoipa::path(post, path = "/preferences/import", tag = "Preferences", operation_id = "import_preferences",
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, description = "JSON Lines", content_type = "application/x-ndjson", body = String)))]
pub(super) async fn import(State(service): State<ConfigService>, Writer(actor): Writer, body: Body) -> Response {
    let (batches, to_write) = mpsc::channel(1);
    let (results, to_send) = mpsc::channel(2);
    tokio::spawn(read(body, batches));
    tokio::spawn(write(service, actor, to_write, results));
    let lines = stream::unfold(to_send, |mut to_send| async move {
        let bytes: Bytes = to_send.recv().await?;
        Some((Ok::<_, Infallible>(bytes), to_send))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(lines)).into_response()
}

/// Lines on their way into a batch.
#[derive(Default)]
struct Pending {
    lines: Vec<(u64, Line)>,
    bytes: usize,
    seen: u64,
}

impl Pending {
    fn add(&mut self, line: Line) {
        self.seen += 1;
        if !line.is_blank() {
            self.bytes += line.len();
            self.lines.push((self.seen, line));
        }
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= LINES_A_BATCH || self.bytes >= BYTES_A_BATCH
    }

    fn take(&mut self) -> Vec<(u64, Line)> {
        self.bytes = 0;
        std::mem::take(&mut self.lines)
    }
}

/// Reads the body into batches; ends with the body, with its failure, or when nobody wants the batches any more.
async fn read(body: Body, batches: mpsc::Sender<Batch>) {
    let mut body = body.into_data_stream();
    let (mut lines, mut pending) = (Lines::default(), Pending::default());
    loop {
        match timeout(PAUSE, body.next()).await {
            Ok(Some(Ok(bytes))) => lines.feed(&bytes, |line| pending.add(line)),
            Ok(Some(Err(error))) => {
                tracing::info!(%error, "an import was cut off; the lines that had come are written");
                break;
            }
            Ok(None) => {
                if let Some(last) = lines.finish() {
                    pending.add(last);
                }
                break;
            }
            Err(_pause) if send(&mut pending, &batches).await.is_err() => return,
            Err(_pause) => {}
        }
        if pending.is_full() && send(&mut pending, &batches).await.is_err() {
            return;
        }
    }
    // If nobody wants the last batch, nobody wants to know either.
    let _gone = send(&mut pending, &batches).await;
}

async fn send(pending: &mut Pending, batches: &mpsc::Sender<Batch>) -> Result<(), mpsc::error::SendError<Batch>> {
    let lines = pending.take();
    if lines.is_empty() {
        return Ok(());
    }
    let batch = tokio::task::spawn_blocking(move || Batch::read(&lines)).await;
    batches.send(batch.expect("reading a line never panics")).await
}

/// Writes batches and sends their results. If the sender has gone, what has come is written all the same.
async fn write(service: ConfigService, actor: String, mut batches: mpsc::Receiver<Batch>, results: mpsc::Sender<Bytes>) {
    while let Some(mut batch) = batches.recv().await {
        let written = admit_and_write(&service, &actor, &mut batch).await;
        if let Err(error) = &written {
            tracing::error!(error = error as &dyn std::error::Error, "a batch of an import was not stored");
        }
        let _gone = results.send(render(&batch.finish(written))).await;
    }
}

async fn admit_and_write(service: &ConfigService, actor: &str, batch: &mut Batch) -> Result<Vec<bool>, ConfigServiceError> {
    let admitted = service.admit(batch.take_rows()).await?;
    let rows = batch.keep_admitted(admitted);
    if rows.is_empty() { Ok(Vec::new()) } else { service.import(rows, actor.to_owned()).await }
}

fn render(results: &[LineResult]) -> Bytes {
    let mut text = Vec::with_capacity(results.len() * 64);
    for result in results {
        serde_json::to_writer(&mut text, result).expect("a result is always JSON");
        text.push(b'\n');
    }
    text.into()
}
