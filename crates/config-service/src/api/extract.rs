//! Parts of requests, refused as problems.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use cohort_preferences::{FeatureType, Invalid, TenantId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::ApiError;
use crate::error::ConfigServiceError;
use crate::limits::{check_depth, check_tenant};
use crate::precondition::{Precondition, Tags};

/// The path's parameters as text.
pub(super) struct PathText<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathText<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(read)| Self(read)).map_err(ApiError::Path)
    }
}

/// The query's parameters; unknown ones are refused by the type.
pub(super) struct QueryOf<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(read)| Self(read)).map_err(ApiError::Query)
    }
}

/// `{tenant_id}` and `{feature_type}` of a path.
pub(super) struct TenantFeature(pub(super) TenantId, pub(super) FeatureType);

impl<S: Send + Sync> FromRequestParts<S> for TenantFeature {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathText((tenant, feature)) =
            PathText::<(String, String)>::from_request_parts(parts, state).await?;
        Ok(Self(tenant_of_path(&tenant)?, parameter("feature_type", &feature)?))
    }
}

/// `{tenant_id}` of a path.
pub(super) struct TenantOf(pub(super) TenantId);

impl<S: Send + Sync> FromRequestParts<S> for TenantOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathText(parameters) =
            PathText::<HashMap<String, String>>::from_request_parts(parts, state).await?;
        Ok(Self(tenant_of_path(parameters.get("tenant_id").map_or("", String::as_str))?))
    }
}

/// `{feature_type}` of a path.
pub(super) struct FeatureOf(pub(super) FeatureType);

impl<S: Send + Sync> FromRequestParts<S> for FeatureOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathText(feature) = PathText::<String>::from_request_parts(parts, state).await?;
        Ok(Self(parameter("feature_type", &feature)?))
    }
}

/// Returns a tenant id that a path may name.
pub(super) fn tenant_of_path(text: &str) -> Result<TenantId, ConfigServiceError> {
    let tenant = parameter("tenant_id", text)?;
    check_tenant(&tenant)
        .map_err(|why| ConfigServiceError::Parameter(format!("tenant_id: {why}")))?;
    Ok(tenant)
}

/// Returns a parameter's text as what it means.
pub(super) fn parameter<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, ConfigServiceError> {
    text.parse().map_err(|error| ConfigServiceError::Parameter(format!("{name}: {error}")))
}

/// A body of JSON that is not nested too deep (W5).
pub(super) struct JsonBody(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(ApiError::Body)?;
        let value = serde_json::from_slice(&bytes).map_err(ApiError::Syntax)?;
        check_depth(&value)?;
        Ok(Self(value))
    }
}

/// A body of JSON that is an object of known fields; the first wrong one is named by its pointer
/// (W1).
pub(super) struct TypedBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for TypedBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let JsonBody(value) = JsonBody::from_request(request, state).await?;
        let read = serde_path_to_error::deserialize(&value).map_err(|error| {
            let pointer = pointer_of(error.path());
            Invalid::one(pointer, error.into_inner().to_string())
        });
        Ok(Self(read?))
    }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let token = |segment: &Segment| match segment {
        Segment::Seq { index } => index.to_string(),
        Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
        Segment::Enum { variant } => variant.clone(),
        Segment::Unknown => "?".into(),
    };
    path.iter().flat_map(|segment| ["/".into(), token(segment)]).collect()
}

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let unreadable = ApiError::Header(
            "If-Match and If-None-Match: expected * or a list of entity tags such as \"3\"",
        );
        let read = |name| tags(&parts.headers, name);
        match (read(header::IF_MATCH), read(header::IF_NONE_MATCH)) {
            (Some(if_match), Some(if_none_match)) => Ok(Self { if_match, if_none_match }),
            _ => Err(unreadable),
        }
    }
}

/// Returns a header's tags: `Some(None)` if the header is not there, `None` if it cannot be read.
#[allow(clippy::option_option, reason = "not there and not readable are two things")]
fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Option<Tags>> {
    match headers.get(name) {
        None => Some(None),
        Some(value) => Tags::parse(value.to_str().ok()?).map(Some),
    }
}

/// Reads a field that may be left out but not be null (W1).
pub(super) fn stated<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
