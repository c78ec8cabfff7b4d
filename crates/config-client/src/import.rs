//! Import: JSON Lines out, a result per line back, both as streams.

use std::io;
use std::sync::Arc;

use cohort_preferences::{FieldError, TenantId};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use reqwest::{Body, Method};
use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, Lines};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::request::Request;

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ImportLine {
    /// The line, counted from 1.
    pub line: u64,
    /// What became of it.
    pub status: ImportStatus,
    /// Whose preferences it holds; `None` if the line does not say so.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// Why it was refused.
    #[serde(default)]
    pub detail: Option<String>,
    /// The fields that are wrong (W1).
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    /// It changed something and is committed.
    Stored,
    /// It says what was already stored.
    Unchanged,
    /// It is wrong, and nothing of it is stored.
    Refused,
    /// It is right, but the database could not store it; sending it again may.
    Failed,
}

impl ConfigDatabaseClient {
    /// Sends preferences as JSON Lines and returns what became of each line, in order, while it is
    /// still sending.
    ///
    /// A refused line is a result, not an error, and does not stop the rest. After an error the
    /// lines that were reported are stored and the others may be: sending everything again does no
    /// harm. Imported tenants are dropped from the cache with their result.
    pub async fn import<R: AsyncRead + Send + 'static>(
        &self,
        lines: R,
    ) -> Result<impl Stream<Item = Result<ImportLine, ClientError>> + Send + use<R>, ClientError>
    {
        let request = Request::new(Method::POST, "/preferences/import");
        let body = Body::wrap_stream(ReaderStream::with_capacity(lines, 64 * 1024));
        let response = self.transport.stream(&request, Some(body)).await?;
        let bytes = response.bytes_stream().map_err(io::Error::other).boxed();
        let results = StreamReader::new(bytes).lines();
        let (client, request) = (self.clone(), request.name());
        Ok(stream::try_unfold(results, move |results| {
            client.clone().next_result(request.clone(), results)
        }))
    }

    async fn next_result<R: AsyncBufRead + Unpin>(
        self,
        request: String,
        mut results: Lines<R>,
    ) -> Result<Option<(ImportLine, Lines<R>)>, ClientError> {
        let text = match results.next_line().await {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            Err(source) => {
                return Err(ClientError::BrokenOff { request, source: Arc::new(source) });
            }
        };
        let result: ImportLine =
            serde_json::from_str(&text).map_err(|error| ClientError::Garbage {
                request,
                what: format!("a line of the answer is not an import result: {error}"),
            })?;
        if let Some(tenant) = &result.tenant_id {
            self.cache.drop_tenant(tenant).await;
        }
        Ok(Some((result, results)))
    }
}
