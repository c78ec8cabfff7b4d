//! A response as it comes: whole, by lines, or as the reason of a refusal.

use anyhow::Context;
use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use cohort_config_client::Problem;
use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, Lines};
use tokio_util::io::StreamReader;

use crate::failure::wrong_input;

/// What a service says of a route that it does not have.
const NO_ROUTE: &str = "there is no route";

/// Reads a body of JSON; `request` is its method and path, for the error.
pub(super) async fn read_json<T: DeserializeOwned>(
    request: &str,
    response: Response<Body>,
) -> anyhow::Result<T> {
    let body = read_whole(request, response).await?;
    serde_json::from_slice(&body)
        .with_context(|| format!("{request}: the answer is not what was asked for"))
}

/// Reads a body whole.
pub(super) async fn read_whole(request: &str, response: Response<Body>) -> anyhow::Result<Bytes> {
    read(response).await.with_context(|| format!("{request}: the answer broke off"))
}

/// Returns the lines of a body, as they come.
pub(super) fn lines_of(response: Response<Body>) -> Lines<impl AsyncBufRead + Unpin> {
    let answer = response.into_body().into_data_stream().map_err(std::io::Error::other);
    StreamReader::new(Box::pin(answer)).lines()
}

/// Returns what an answer other than 2xx means, and what to do about it.
pub(super) async fn refusal(request: &str, response: Response<Body>) -> anyhow::Error {
    let status = response.status();
    // A body that breaks off explains nothing; the status code stands.
    let body = read(response).await.unwrap_or_default();
    let told = Problem::from_json(status, &body)
        .map_or_else(|| status.to_string(), |problem| problem.to_string());
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            wrong_input(format!("{request}: {told}"))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => anyhow::anyhow!(
            "{request}: {told}; set CONFIG_SERVICE_API_KEY, or give --data DIR to use the key in \
             DIR/admin.key"
        ),
        StatusCode::NOT_FOUND if told.contains(NO_ROUTE) => anyhow::anyhow!(
            "{request}: {told}: who answers there is a Config Database without an agent, an agent \
             without a Config Database, or another version; --url, COHORT_AGENT_URL or \
             CONFIG_SERVICE_URL says where to ask"
        ),
        _ => anyhow::anyhow!("{request}: {told}"),
    }
}

async fn read(response: Response<Body>) -> Result<Bytes, axum::Error> {
    axum::body::to_bytes(response.into_body(), usize::MAX).await
}
