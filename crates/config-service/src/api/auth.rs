//! Who is asking (W4). No route of the API is reached without a known key.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;
use crate::error::ConfigServiceError;
use crate::key::{ApiKey, Scope};
use crate::service::ConfigService;

/// Who holds the request's key.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) ApiKey);

/// Who asks for a write, with a key that may, of a service that takes writes. A route without it changes nothing.
pub(super) struct Writer(pub(super) String);

/// Lets a request through if its key is known, and notes whose it is.
pub(super) async fn require_key(State(service): State<ConfigService>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let key = bearer(request.headers()).ok_or(ConfigServiceError::Unauthorized)?;
    let caller = service.authenticate(key).await?;
    request.extensions_mut().insert(Caller(caller));
    Ok(next.run(request).await)
}

/// The key of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ConfigServiceError::Unauthorized.into())
    }
}

impl FromRequestParts<ConfigService> for Writer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &ConfigService) -> Result<Self, ApiError> {
        let Caller(key) = Caller::from_request_parts(parts, service).await?;
        if !key.scopes.hold_any(&[Scope::Write, Scope::Admin]) {
            return Err(ConfigServiceError::Forbidden { scopes: key.scopes.text() }.into());
        }
        service.refuse_if_read_only()?;
        Ok(Self(key.name))
    }
}
