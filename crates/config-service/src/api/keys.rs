//! API keys: made, listed, revoked and verified (W4).

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::auth::{KeyHolder, Writer};
use super::error::ApiError;
use super::extract::{PathText, TypedBody, parameter, stated};
use super::schema::{Shape, Shapes, count, list_of, named, object, one_of, text};
use crate::error::ConfigServiceError;
use crate::key::{ApiKey, Scope};
use crate::lifetime::Lifetime;
use crate::service::ConfigService;
use crate::service::{Expiry, KeyRequest};

/// A key as it is listed.
#[derive(Serialize)]
struct Listed {
    id: u64,
    name: String,
    scopes: Vec<&'static str>,
    created_at: Timestamp,
    created_by: String,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    uses: u64,
}

#[derive(Serialize)]
struct Made {
    key: String,
    #[serde(flatten)]
    listed: Listed,
}

#[derive(Serialize)]
pub(super) struct KeyList {
    api_keys: Vec<Listed>,
}

#[derive(Serialize)]
pub(super) struct Verified {
    name: String,
    scopes: Vec<&'static str>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    name: String,
    scopes: Vec<Scope>,
    #[serde(default, deserialize_with = "stated")]
    expires_in: Option<Lifetime>,
    #[serde(default, deserialize_with = "stated")]
    expires_at: Option<Timestamp>,
}

impl From<ApiKey> for Listed {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            scopes: key.scopes.names().collect(),
            name: key.name,
            created_at: key.created_at,
            created_by: key.created_by,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            uses: key.uses,
        }
    }
}

/// Lists the keys
///
/// Revoked and expired ones too. Uses are noted about once a second.
#[utoipa::path(get, path = "/api-keys", tag = "Keys", operation_id = "list_keys",
    responses((status = 200, description = "All keys, by id",
        body = ref("#/components/schemas/KeyList"))))]
pub(super) async fn list(State(service): State<ConfigService>) -> Result<Json<KeyList>, ApiError> {
    let keys = service.keys().await?;
    Ok(Json(KeyList { api_keys: keys.into_iter().map(Listed::from).collect() }))
}

/// Makes a key
///
/// The answer is the only place where its text is ever shown. Without `expires_in` or `expires_at`
/// it is good until it is revoked.
#[utoipa::path(post, path = "/api-keys", tag = "Keys", operation_id = "create_key",
    request_body = ref("#/components/schemas/NewKey"),
    responses((status = 201, description = "The key and its text",
        body = ref("#/components/schemas/MadeKey"))))]
pub(super) async fn create(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TypedBody(wanted): TypedBody<NewKey>,
) -> Result<Response, ApiError> {
    let request = wanted.try_into()?;
    let (key, text) = service.add_key(request, actor).await?;
    let made = Made { key: text, listed: key.into() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

impl TryFrom<NewKey> for KeyRequest {
    type Error = ConfigServiceError;

    fn try_from(wanted: NewKey) -> Result<Self, ConfigServiceError> {
        let expires = match (wanted.expires_in, wanted.expires_at) {
            (None, None) => Expiry::Never,
            (Some(lifetime), None) => Expiry::In(lifetime),
            (None, Some(at)) => Expiry::At(at),
            (Some(_), Some(_)) => {
                return Err(invalid("/expires_at", "expected expires_in or expires_at, not both"));
            }
        };
        if wanted.scopes.is_empty() {
            return Err(invalid("/scopes", "expected at least one scope"));
        }
        Ok(Self { name: wanted.name, scopes: wanted.scopes.into_iter().collect(), expires })
    }
}

fn invalid(pointer: &str, detail: &str) -> ConfigServiceError {
    cohort_preferences::Invalid::one(pointer, detail).into()
}

/// Revokes a key
///
/// It is refused from now on; one that is revoked already stays as it is. The key of this request
/// cannot be revoked by it.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "Keys", operation_id = "revoke_key",
    responses((status = 200, description = "The key as it is now",
        body = ref("#/components/schemas/Key")),
        (status = 404, description = "NotFound")))]
pub(super) async fn revoke(
    State(service): State<ConfigService>,
    KeyHolder(asking): KeyHolder,
    Writer(_): Writer,
    PathText(id): PathText<String>,
) -> Result<Response, ApiError> {
    let revoked = service.revoke_key(parameter::<u32>("id", &id)?.into(), asking.id).await?;
    Ok(Json(Listed::from(revoked)).into_response())
}

/// Tells who holds the key of this request
///
/// An agent asks with the keys that are shown to it.
#[utoipa::path(post, path = "/api-keys/verify", tag = "Keys", operation_id = "verify_key",
    responses((status = 200, description = "Its name and scopes",
        body = ref("#/components/schemas/VerifiedKey"))))]
pub(super) async fn verify(KeyHolder(key): KeyHolder) -> Json<Verified> {
    Json(Verified { scopes: key.scopes.names().collect(), name: key.name })
}

/// Returns the shapes of keys.
pub(super) fn shapes() -> Shapes {
    let expires_in = text()
        .pattern("^([1-9][0-9]{0,5}[sm]|[1-9][0-9]{0,3}h|[1-9][0-9]{0,2}d)$")
        .described("Such as 90d.");
    let name = text().length(1, 100).pattern("^[^\\u0000-\\u001f\\u007f-\\u009f]+$");
    vec![
        ("Scope", one_of(&["read", "support", "write", "agent", "admin"])),
        ("Key", key()),
        ("MadeKey", key().field("key", text())),
        ("KeyList", object().field("api_keys", list_of(named("Key")))),
        (
            "NewKey",
            object()
                .field("name", name)
                .field("scopes", scopes())
                .optional("expires_in", expires_in)
                .optional("expires_at", named("Instant")),
        ),
        ("VerifiedKey", object().field("name", text()).field("scopes", scopes())),
    ]
}

fn scopes() -> Shape {
    list_of(named("Scope")).least_items(1)
}

fn key() -> Shape {
    object()
        .field("id", count())
        .field("name", text())
        .field("scopes", scopes())
        .field("created_at", named("Instant"))
        .field("created_by", text())
        .field("expires_at", named("Instant").or_null())
        .field("revoked_at", named("Instant").or_null())
        .field("last_used_at", named("Instant").or_null())
        .field("uses", count())
}
