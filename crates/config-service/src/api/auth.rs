//! Who is asking (W4). No route of the API is reached without a key that may use it, or a signed
//! link that does.
//!
//! ```text
//! Authorization ─► who (401) ─► how often (429) ─► the table of routes (403) ─► handler ─┐
//!                                        refusals, and what only an admin may do, on record ◄┘
//! ```

use std::time::Instant;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cohort_preferences::TenantId;
use tracing::Instrument;

use super::access::Access;
use super::error::ApiError;
use crate::error::ConfigServiceError;
use crate::key::ApiKey;
use crate::service::Asker;
use crate::service::{ConfigService, LINK_PREFIX};

/// Below which path the API stands, if it is nested.
pub(super) const BASE: &str = "/api/v1";

/// The actor of what is written through a link: no identity of a person (W8).
const LINK: &str = "link";

/// Who made the request.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// Who holds this key.
    Key(ApiKey),
    /// Who holds a link to this tenant's preferences.
    Link(TenantId),
}

/// The key of the request, on routes that links do not open.
pub(super) struct KeyHolder(pub(super) ApiKey);

/// The actor of a write, on a service that takes writes. A route without this extractor changes
/// nothing.
pub(super) struct Writer(pub(super) String);

/// Counts a request that is answered and how long that took, in a span of its own.
pub(super) async fn count(
    State(service): State<ConfigService>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let (method, began) = (request.method().clone(), Instant::now());
    let route = route_of(&path);
    // The route and not the path: a path names the tenant.
    let span = tracing::info_span!("request", %method, route);
    let response = next.run(request).instrument(span).await;
    service.answered(method.as_str(), route, response.status().as_u16(), began.elapsed());
    response
}

fn route_of(path: &MatchedPath) -> &str {
    path.as_str().strip_prefix(BASE).unwrap_or(path.as_str())
}

/// Lets a request through if its caller may use the route, and passes on who that is.
pub(super) async fn admit(
    State(service): State<ConfigService>,
    path: MatchedPath,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(rejection) => return ApiError::RawPath(rejection).into_response(),
    };
    let method = request.method().clone();
    let route = route_of(&path).to_owned();
    let caller = match Caller::of(&service, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => {
            let response = ApiError::from(error).into_response();
            record("none", &method, &route, response.status());
            return response;
        }
    };
    let access = Access::to(method.as_str(), &route);
    let tenant = parameters.iter().find(|(name, _)| *name == "tenant_id").map(|(_, value)| value);
    let admitted =
        service.count_request(&caller.asker()).and_then(|()| caller.check(access, tenant));
    let who = caller.name_on_record();
    let response = match admitted {
        Ok(()) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => ApiError::from(error).into_response(),
    };
    let is_refused =
        matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    if is_refused || access.is_some_and(Access::is_govern) {
        record(&who, &method, &route, response.status());
    }
    response
}

/// Fails if the key of the request may not look at anything; for routes outside the table.
pub(super) async fn let_look(
    service: &ConfigService,
    headers: &HeaderMap,
) -> Result<(), ConfigServiceError> {
    let caller = Caller::of(service, headers).await?;
    caller.check(Access::to("GET", "/preferences/changes"), None)
}

fn record(key: &str, method: &Method, route: &str, status: StatusCode) {
    tracing::info!(target: "audit", key, %method, route, status = status.as_u16(), "asked");
}

impl Caller {
    async fn of(service: &ConfigService, headers: &HeaderMap) -> Result<Self, ConfigServiceError> {
        let token = bearer(headers).ok_or(ConfigServiceError::Unauthorized)?;
        if token.starts_with(LINK_PREFIX) {
            return service.open_link(token).await.map(Self::Link);
        }
        service.authenticate(token).await.map(Self::Key)
    }

    fn asker(&self) -> Asker {
        match self {
            Self::Key(key) => Asker::Key(key.id),
            Self::Link(tenant) => Asker::Links(tenant.clone()),
        }
    }

    /// Returns whether they may use a route, whose path names this tenant.
    fn check(
        &self,
        access: Option<&Access>,
        tenant: Option<&str>,
    ) -> Result<(), ConfigServiceError> {
        let (may, who) = match self {
            Self::Key(key) => {
                let may = access.is_some_and(|access| key.scopes.hold_any(access.scopes));
                (may, format!("a key with the scopes {}", key.scopes.text()))
            }
            Self::Link(own) => {
                let is_own = tenant.is_none_or(|tenant| tenant == own.as_str());
                (is_own && access.is_some_and(|access| access.is_open_to_links), "a link".into())
            }
        };
        if may { Ok(()) } else { Err(ConfigServiceError::Forbidden { who }) }
    }

    fn name_on_record(&self) -> String {
        match self {
            Self::Key(key) => key.id.to_string(),
            Self::Link(_) => LINK.into(),
        }
    }

    /// As it stands in the history (W3).
    fn actor(self) -> String {
        match self {
            Self::Key(key) => key.name,
            Self::Link(_) => LINK.into(),
        }
    }
}

/// Returns the key of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110,
/// section 11.1).
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

impl<S: Send + Sync> FromRequestParts<S> for KeyHolder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, state).await? {
            Caller::Key(key) => Ok(Self(key)),
            Caller::Link(_) => Err(ConfigServiceError::Forbidden { who: "a link".into() }.into()),
        }
    }
}

impl FromRequestParts<ConfigService> for Writer {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &ConfigService,
    ) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, service).await?;
        service.refuse_if_read_only()?;
        Ok(Self(caller.actor()))
    }
}
