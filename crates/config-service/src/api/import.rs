//! `POST /preferences/import`: JSON Lines or CSV in, a result per line out, both streamed.
//!
//! ```text
//! body ─► entries ─► batches of up to 10,000 ─► read and admitted ─► written ─► results
//!                                                  next batch        this      the one before
//! ```
//!
//! A batch is one transaction, read while the one before is written. Memory is bounded by batches,
//! not by the import. A stream that pauses is written as far as it has come, so that a slow sender
//! sees its results.
//!
//! The header of CSV is read before the answer begins: if it is wrong, so would be every line, and
//! the answer is a 422.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use cohort_preferences::Invalid;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::auth::Writer;
use super::error::ApiError;
use crate::error::ConfigServiceError;
use crate::import::{Batch, Columns, Cutter, Entry, LineResult, Lines, Records, Shape};
use crate::service::ConfigService;
use crate::store::edit::ImportRow;

/// Lines of a batch: one transaction, and how long other writers wait behind it.
const LINES_A_BATCH: usize = 10_000;

/// Bytes after which a batch ends even if it has fewer lines.
const BYTES_A_BATCH: usize = 8 << 20;

/// How long a stream may pause before what has come is written.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the rest of a refused body is read: a sender that is cut off while it sends may never
/// see the answer.
const LINGER: Duration = Duration::from_secs(5);

/// Imports preferences
///
/// JSON Lines in: `{"tenant_id", "feature_type", "preference"}`, or a document with its
/// `tenant_id`, which leaves the features that it does not name alone. Or CSV (`text/csv`) with a
/// first line that names some of the columns `tenant_id`, `feature_type`, `enabled`, `frequency`,
/// `preferred_time`, `preferred_day` (several weekdays as `monday|friday`), `timezone`,
/// `template_overrides` (JSON); an empty cell states nothing. A result per line out, streamed: good
/// lines are stored, bad ones are refused with the cause.
#[utoipa::path(post, path = "/preferences/import", tag = "Preferences",
    operation_id = "import_preferences",
    request_body(content((String = "application/x-ndjson"), (String = "text/csv"))),
    responses((status = 200, description = "JSON Lines", content_type = "application/x-ndjson",
        body = String)))]
pub(super) async fn import(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let upload = if is_csv(&headers) { Upload::csv(body).await? } else { Upload::json_lines(body) };
    let (batches, to_write) = mpsc::channel(1);
    let (results, to_send) = mpsc::channel(1);
    tokio::spawn(upload.read(service.clone(), batches));
    tokio::spawn(write(service, actor, to_write, results));
    let lines = stream::unfold(to_send, |mut to_send: mpsc::Receiver<Written>| async move {
        let (batch, written) = to_send.recv().await?;
        Some((Ok::<_, Infallible>(render(&batch.finish(written))), to_send))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// Returns whether the body is CSV (RFC 7111). Everything else is read as JSON Lines, on whose
/// media type nobody agrees.
fn is_csv(headers: &HeaderMap) -> bool {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/csv"))
}

/// A batch with its rows that may be written, or why that could not be told.
type Admitted = (Batch, Result<Vec<ImportRow>, ConfigServiceError>);

/// A batch, and for each of its rows whether it changed anything.
type Written = (Batch, Result<Vec<bool>, ConfigServiceError>);

/// A body on its way into batches.
struct Upload {
    body: BodyDataStream,
    cutter: Cutter,
    shape: Shape,
    pending: Pending,
}

/// Entries on their way into a batch.
#[derive(Default)]
struct Pending {
    entries: Vec<(u64, Entry)>,
    bytes: usize,
}

impl Pending {
    fn add(&mut self, line: u64, entry: Entry) {
        if !entry.is_blank() {
            self.bytes += entry.len();
            self.entries.push((line, entry));
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= LINES_A_BATCH || self.bytes >= BYTES_A_BATCH
    }

    fn take(&mut self) -> Vec<(u64, Entry)> {
        self.bytes = 0;
        std::mem::take(&mut self.entries)
    }
}

impl Upload {
    fn json_lines(body: Body) -> Self {
        let cutter = Cutter::Lines(Lines::default());
        Self {
            body: body.into_data_stream(),
            cutter,
            shape: Shape::JsonLines,
            pending: Pending::default(),
        }
    }

    /// Reads the header, and refuses the whole if it is wrong.
    async fn csv(body: Body) -> Result<Self, ApiError> {
        let (mut body, mut records, mut pending) =
            (body.into_data_stream(), Records::default(), Pending::default());
        while pending.entries.is_empty() {
            let Some(Ok(bytes)) = body.next().await else {
                std::mem::take(&mut records).finish(|line, entry| pending.add(line, entry));
                break;
            };
            records.feed(&bytes, |line, entry| pending.add(line, entry));
        }
        let Some(header) = (!pending.entries.is_empty()).then(|| pending.entries.remove(0)) else {
            return Err(Invalid::one(
                "",
                "there is nothing: expected a first line of column names",
            )
            .into());
        };
        match Columns::read(&header.1) {
            Ok(columns) => Ok(Self {
                body,
                cutter: Cutter::Records(Box::new(records)),
                shape: Shape::Csv(Arc::new(columns)),
                pending,
            }),
            Err(invalid) => {
                tokio::spawn(timeout(LINGER, body.for_each(|_unread| std::future::ready(()))));
                Err(invalid.into())
            }
        }
    }

    /// Reads the body into batches; ends with the body, with its failure, or when nobody wants the
    /// batches any more.
    async fn read(mut self, service: ConfigService, batches: mpsc::Sender<Admitted>) {
        loop {
            match timeout(PAUSE, self.body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    self.cutter.feed(&bytes, |line, entry| self.pending.add(line, entry));
                }
                Ok(Some(Err(error))) => {
                    tracing::info!(%error,
                        "an import was cut off; the lines that had come are written");
                    break;
                }
                Ok(None) => {
                    self.cutter.finish(|line, entry| self.pending.add(line, entry));
                    break;
                }
                Err(_pause) if self.send(&service, &batches).await.is_err() => return,
                Err(_pause) => {}
            }
            if self.pending.is_full() && self.send(&service, &batches).await.is_err() {
                return;
            }
        }
        // If nobody wants the last batch, nobody wants to know either.
        let _gone = self.send(&service, &batches).await;
    }

    /// Reads and admits what has come, and passes it on; fails if nobody wants it any more.
    async fn send(
        &mut self,
        service: &ConfigService,
        batches: &mpsc::Sender<Admitted>,
    ) -> Result<(), mpsc::error::SendError<Admitted>> {
        let entries = self.pending.take();
        if entries.is_empty() {
            return Ok(());
        }
        let shape = self.shape.clone();
        let batch = tokio::task::spawn_blocking(move || Batch::read(&shape, &entries)).await;
        batches.send(admit(service, batch.expect("reading a line never panics")).await).await
    }
}

async fn admit(service: &ConfigService, mut batch: Batch) -> Admitted {
    let admitted = service.admit(batch.take_rows()).await;
    let rows = admitted.map(|admitted| batch.keep_admitted(admitted));
    (batch, rows)
}

/// Writes batches and passes on what became of them. If the sender has gone, what has come is
/// written all the same.
async fn write(
    service: ConfigService,
    actor: String,
    mut batches: mpsc::Receiver<Admitted>,
    results: mpsc::Sender<Written>,
) {
    while let Some((batch, rows)) = batches.recv().await {
        let written = match rows {
            Ok(rows) if rows.is_empty() => Ok(Vec::new()),
            Ok(rows) => service.import(rows, actor.clone()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &written {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a batch of an import was not stored"
            );
        }
        let _gone = results.send((batch, written)).await;
    }
}

fn render(results: &[LineResult]) -> Bytes {
    let mut text = Vec::with_capacity(results.len() * 64);
    for result in results {
        serde_json::to_writer(&mut text, result).expect("a result is always JSON");
        text.push(b'\n');
    }
    text.into()
}
