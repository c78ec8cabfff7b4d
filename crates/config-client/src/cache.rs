//! The cache of whole documents: fresh for a TTL, then confirmed by `ETag`, and given out as stale
//! while that cannot be done.
//!
//! ```text
//! fresh ──TTL──► to be confirmed ──304──► fresh, the document stays
//!                   │        └─────200──► fresh, another document
//!                   └─no answer, garbage──► given out, marked stale, for at most `max_stale`
//! ```
//!
//! Callers that ask at the same time share one request. A key is the tenant and the tenant's
//! generation. Dropping a tenant moves the generation on, so that a request that was already under
//! way cannot put an outdated document back: it is stored under a generation that nobody asks for
//! any more. Generations are kept in a fixed number of slots. Tenants that share a slot are dropped
//! together, which costs a request and is never wrong. A document that is known to be outdated is
//! never given out, and one that may be is confirmed first.
//!
//! Both halves hold the same documents, and are bounded by what these weigh.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cohort_preferences::TenantId;
use moka::Equivalent;
use moka::future::Cache;

use crate::error::ClientError;
use crate::user_preferences::UserPreferences;

const SLOTS: usize = 1 << 16;

/// How long and how much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheOptions {
    /// How long a document is believed without asking; zero: nothing is kept.
    pub(crate) ttl: Duration,
    /// How much longer it is given out, marked stale, while the Config Database does not answer.
    pub(crate) max_stale: Duration,
    /// The most bytes that all documents together weigh.
    pub(crate) bytes: u64,
}

/// Documents by tenant.
pub(crate) struct DocumentCache {
    /// `None`: nothing is kept.
    kept: Option<Kept>,
    generations: Box<[AtomicU32]>,
    slots: RandomState,
    /// Moves on when no document is trusted any more.
    epoch: AtomicU32,
}

struct Kept {
    fresh: Cache<FreshKey, UserPreferences>,
    last_known: Cache<Key, UserPreferences>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    generation: u32,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FreshKey {
    tenant: TenantId,
    generation: u32,
    epoch: u32,
}

/// A [`FreshKey`] without its own copy of the tenant; hashes as that does.
#[derive(Hash)]
struct FreshKeyRef<'a> {
    tenant: &'a str,
    generation: u32,
    epoch: u32,
}

impl Equivalent<FreshKey> for FreshKeyRef<'_> {
    fn equivalent(&self, key: &FreshKey) -> bool {
        self.tenant == key.tenant.as_str()
            && self.generation == key.generation
            && self.epoch == key.epoch
    }
}

impl DocumentCache {
    pub(crate) fn new(options: CacheOptions) -> Self {
        Self {
            kept: (!options.ttl.is_zero()).then(|| Kept::new(options)),
            generations: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
            slots: RandomState::new(),
            epoch: AtomicU32::new(0),
        }
    }

    /// Returns the document if it is there and fresh.
    pub(crate) async fn get(&self, tenant: &str) -> Option<UserPreferences> {
        let generation = self.generation(tenant).load(Ordering::Acquire);
        let epoch = self.epoch.load(Ordering::Acquire);
        self.kept.as_ref()?.fresh.get(&FreshKeyRef { tenant, generation, epoch }).await
    }

    /// Returns the document, from `load` if none is fresh. `load` is given the one last known, to
    /// be confirmed.
    ///
    /// Callers that ask at the same time share one load. Failures are not kept; one that is an
    /// outage gives the document last known, marked stale.
    pub(crate) async fn get_or_load<F>(
        &self,
        tenant: TenantId,
        load: impl FnOnce(Option<UserPreferences>) -> F,
    ) -> Result<UserPreferences, ClientError>
    where
        F: Future<Output = Result<UserPreferences, ClientError>>,
    {
        let Some(kept) = &self.kept else {
            return load(None).await;
        };
        let generation = self.generation(tenant.as_str()).load(Ordering::Acquire);
        let fresh = FreshKey {
            tenant: tenant.clone(),
            generation,
            epoch: self.epoch.load(Ordering::Acquire),
        };
        let key = Key { tenant, generation };
        let loaded = kept.fresh.try_get_with(fresh, kept.load(&key, load)).await;
        match loaded {
            Ok(document) => Ok(document),
            Err(error) if error.is_outage() => match kept.last_known.get(&key).await {
                Some(document) => Ok(document.stale()),
                None => Err(ClientError::clone(&error)),
            },
            Err(error) => Err(ClientError::clone(&error)),
        }
    }

    /// Drops the tenant's document, and the response of any request for it that is under way.
    pub(crate) async fn drop_tenant(&self, tenant: &TenantId) {
        let generation = self.generation(tenant.as_str()).fetch_add(1, Ordering::AcqRel);
        let Some(kept) = &self.kept else { return };
        let epoch = self.epoch.load(Ordering::Acquire);
        kept.fresh.invalidate(&FreshKeyRef { tenant: tenant.as_str(), generation, epoch }).await;
        kept.last_known.invalidate(&Key { tenant: tenant.clone(), generation }).await;
    }

    /// Drops every document, and the responses of requests that are under way.
    pub(crate) fn drop_all(&self) {
        for generation in &self.generations {
            generation.fetch_add(1, Ordering::AcqRel);
        }
        if let Some(kept) = &self.kept {
            kept.fresh.invalidate_all();
            kept.last_known.invalidate_all();
        }
    }

    /// Has each document confirmed before it is given out again: changes were missed, and nobody
    /// knows whose.
    pub(crate) fn distrust_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        if let Some(kept) = &self.kept {
            kept.fresh.invalidate_all();
        }
    }

    fn generation(&self, tenant: &str) -> &AtomicU32 {
        let slot = self.slots.hash_one(tenant) as usize % SLOTS;
        &self.generations[slot]
    }
}

impl Kept {
    fn new(CacheOptions { ttl, max_stale, bytes }: CacheOptions) -> Self {
        Self {
            fresh: Cache::builder()
                .max_capacity(bytes)
                .weigher(|_, kept: &UserPreferences| kept.weight())
                .time_to_live(ttl)
                .build(),
            last_known: Cache::builder()
                .max_capacity(bytes)
                .weigher(|_, kept: &UserPreferences| kept.weight())
                .time_to_live(ttl.saturating_add(max_stale))
                .build(),
        }
    }

    /// Loads the document and keeps it as the one last known. One that the service no longer has
    /// is forgotten.
    async fn load<F>(
        &self,
        key: &Key,
        load: impl FnOnce(Option<UserPreferences>) -> F,
    ) -> Result<UserPreferences, ClientError>
    where
        F: Future<Output = Result<UserPreferences, ClientError>>,
    {
        let loaded = load(self.last_known.get(key).await).await;
        match &loaded {
            Ok(document) => self.last_known.insert(key.clone(), document.clone()).await,
            Err(ClientError::Refused { .. }) => self.last_known.invalidate(key).await,
            Err(_) => {}
        }
        loaded
    }
}
