//! API keys (W4): who is let in, who is let in no more, and how often each key was used.
//!
//! Keys that were asked for are kept in memory, so that a request costs no read of the database.
//! Whenever the store says that keys may have changed, here or in another process, all of them are
//! forgotten: a revoked key is refused at once. Whether a key has expired is asked of the clock at
//! each request.
//!
//! Uses are counted in memory and written together, at most once a second and when the service
//! closes; no request waits for that. A process that is killed loses the counts of its last second.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use cohort_preferences::Invalid;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;

use super::limits::RequestRate;
use super::{ConfigService, Inner};
use crate::error::ConfigServiceError;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey, Scope, Scopes, Secret, hash};
use crate::lifetime::Lifetime;
use crate::store::Result;

/// How often counted uses are written.
const BETWEEN_NOTES: Duration = Duration::from_secs(1);

/// The longest life of a key that has an end.
const LONGEST: Lifetime = Lifetime::days(3_650);

/// The most bytes of a key's name.
const LONGEST_NAME: usize = 100;

/// What is kept in memory to let requests in.
pub(super) struct Admission {
    /// Changes whenever what is known of keys may be wrong.
    changes: watch::Receiver<u64>,
    known: Mutex<Known>,
    uses: Mutex<HashMap<u64, KeyUse>>,
    pub(super) rate: RequestRate,
}

/// The keys that were asked for since keys last changed.
#[derive(Default)]
struct Known {
    as_of: u64,
    keys: HashMap<KeyHash, ApiKey>,
}

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

impl Admission {
    pub(super) fn new(
        changes: watch::Receiver<u64>,
        requests_per_second: Option<NonZeroU32>,
    ) -> Self {
        Self {
            changes,
            known: Mutex::default(),
            uses: Mutex::default(),
            rate: RequestRate::of(requests_per_second),
        }
    }

    /// The keys known as of the last change, and which change that was.
    fn known(&self) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().expect("nobody panics while holding the keys");
        let as_of = *self.changes.borrow();
        if known.as_of != as_of {
            *known = Known { as_of, keys: HashMap::new() };
        }
        known
    }

    /// Keeps a key that was read while keys stood as of this change; later it may be wrong already.
    fn keep(&self, as_of: u64, hash: KeyHash, key: &ApiKey) {
        let mut known = self.known();
        if known.as_of == as_of {
            known.keys.insert(hash, key.clone());
        }
    }

    fn count_use(&self, key: &ApiKey, now: Timestamp) {
        let mut uses = self.uses();
        let used = uses.entry(key.id).or_insert(KeyUse { id: key.id, last_used_at: now, uses: 0 });
        used.uses += 1;
        used.last_used_at = used.last_used_at.max(now);
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<u64, KeyUse>> {
        self.uses.lock().expect("nobody panics while counting")
    }
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

    /// All keys, revoked and expired ones too.
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

    /// Who holds this key, if it lets anybody in now; counts the use.
    pub(crate) async fn authenticate(&self, key: &str) -> Result<ApiKey> {
        let hash = hash(key);
        let now = self.0.clock.now();
        let admission = &self.0.admission;
        let (as_of, known) = {
            let known = admission.known();
            (known.as_of, known.keys.get(&hash).cloned())
        };
        let key = match known {
            Some(known) => known,
            None => {
                let found =
                    self.0.store.key(hash).await?.ok_or(ConfigServiceError::Unauthorized)?;
                admission.keep(as_of, hash, &found);
                found
            }
        };
        if !key.is_valid_at(now) {
            return Err(ConfigServiceError::Unauthorized);
        }
        admission.count_use(&key, now);
        Ok(key)
    }

    /// Writes counted uses from time to time, as long as the service is held by anybody.
    pub(super) fn keep_noting_uses(&self) {
        if self.0.read_only.is_none() {
            tokio::spawn(note_uses(Arc::downgrade(&self.0), self.0.closing.subscribe()));
        }
    }

    async fn note_uses(&self) {
        self.0.admission.rate.forget_quiet();
        let uses: Vec<_> = std::mem::take(&mut *self.0.admission.uses()).into_values().collect();
        if uses.is_empty() {
            return;
        }
        if let Err(error) = self.0.store.note_key_uses(uses).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the use of keys was not noted"
            );
        }
    }
}

async fn note_uses(service: Weak<Inner>, mut closing: watch::Receiver<bool>) {
    loop {
        // The first wait ends early when the service closes; requests that are answered after that
        // are noted as ever.
        tokio::select! {
            () = sleep(BETWEEN_NOTES) => {}
            Ok(()) = closing.changed() => {}
        }
        let Some(inner) = service.upgrade() else { return };
        ConfigService(inner).note_uses().await;
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
