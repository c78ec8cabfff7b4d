//! API keys: made, listed and revoked (W4).

use cohort_preferences::Invalid;
use jiff::Timestamp;

use super::config_service::ConfigService;
use crate::error::{ConfigServiceError, Result};
use crate::key::{ApiKey, NewKey, Scope, Scopes, Secret};
use crate::lifetime::Lifetime;

/// The longest life of a key that has an end.
const LONGEST: Lifetime = Lifetime::days(3_650);

/// The most bytes of a key's name.
const LONGEST_NAME: usize = 100;

/// Asks for a key.
#[derive(Debug)]
pub(crate) struct KeyRequest {
    /// Who is to hold it.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Scopes,
    /// When it ends.
    pub(crate) expires: Expiry,
}

/// When a key ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expiry {
    /// When it is revoked.
    Never,
    /// After so long.
    In(Lifetime),
    /// At this instant.
    At(Timestamp),
}

impl ConfigService {
    /// Makes a key of scope admin if the database never had a key; its text is given this once
    /// (W4).
    pub async fn create_admin_key_if_none(
        &self,
        name: &str,
    ) -> Result<Option<String>, ConfigServiceError> {
        self.refuse_if_read_only()?;
        let secret = Secret::random();
        let key = NewKey {
            hash: secret.hash(),
            name: name.to_owned(),
            scopes: Scopes::from_iter([Scope::Admin]),
            created_by: name.to_owned(),
            expires_at: None,
        };
        Ok(self.0.store.add_key(key, true).await?.map(|_stored| secret.reveal()))
    }

    /// Makes a key that does not expire; its text is given this once (W4).
    pub async fn create_key(&self, name: &str, scope: Scope) -> Result<String, ConfigServiceError> {
        let request = KeyRequest {
            name: name.to_owned(),
            scopes: Scopes::from_iter([scope]),
            expires: Expiry::Never,
        };
        let (_, text) = self.add_key(request, name.to_owned()).await?;
        Ok(text)
    }

    /// Makes a key; its text is given this once (W4).
    pub(crate) async fn add_key(
        &self,
        request: KeyRequest,
        created_by: String,
    ) -> Result<(ApiKey, String)> {
        self.refuse_if_read_only()?;
        check_name(&request.name)?;
        let expires_at = self.end_of(request.expires)?;
        let secret = Secret::random();
        let key = NewKey {
            hash: secret.hash(),
            name: request.name,
            scopes: request.scopes,
            created_by,
            expires_at,
        };
        let stored = self
            .0
            .store
            .add_key(key, false)
            .await?
            .expect("a key that need not be the first is always stored");
        Ok((stored, secret.reveal()))
    }

    fn end_of(&self, expires: Expiry) -> Result<Option<Timestamp>> {
        let now = self.0.clock.now();
        match expires {
            Expiry::Never => Ok(None),
            Expiry::In(lifetime) if lifetime <= LONGEST => Ok(Some(lifetime.end(now))),
            Expiry::In(_) => Err(Invalid::one("/expires_in", "expected at most 3650d").into()),
            Expiry::At(at) if now < at => Ok(Some(at)),
            Expiry::At(at) => {
                Err(Invalid::one("/expires_at", format!("expected an instant to come, got {at}"))
                    .into())
            }
        }
    }

    /// Returns all keys, also those that are revoked or have expired.
    pub(crate) async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.0.store.keys().await
    }

    /// Revokes a key: it is refused from now on. The key that asks cannot be the one, so that
    /// whoever may make keys does not lock everybody out.
    pub(crate) async fn revoke_key(&self, id: u64, asking: u64) -> Result<ApiKey> {
        if id == asking {
            return Err(ConfigServiceError::Conflict(
                "a key cannot revoke itself: ask with another".into(),
            ));
        }
        let revoked = self.0.store.revoke_key(id).await?;
        revoked.ok_or_else(|| ConfigServiceError::NotFound(format!("key {id}")))
    }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    if (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(Invalid::one(
        "/name",
        format!("expected 1 to {LONGEST_NAME} bytes without control characters"),
    ))
}
