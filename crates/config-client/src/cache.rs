//! The cache of whole documents, by TTL, with one request for all who ask at once.
//!
//! An entry's key is the tenant and the tenant's generation. Dropping a tenant moves the generation on, so that also a
//! request that was already under way cannot put an outdated document back: it is stored under a generation that nobody
//! asks for any more. Generations are kept in a fixed number of slots; tenants that share a slot are dropped together,
//! which costs a request and is never wrong.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cohort_preferences::TenantId;
use moka::Equivalent;
use moka::future::Cache;

use crate::error::ClientError;
use crate::user_preferences::UserPreferences;

/// The most documents kept; beyond it the ones used least go.
const CAPACITY: u64 = 100_000;

const SLOTS: usize = 1 << 16;

/// Documents by tenant.
pub(crate) struct DocumentCache {
    /// `None`: nothing is kept.
    documents: Option<Cache<Key, UserPreferences>>,
    generations: Box<[AtomicU32]>,
    slots: RandomState,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    generation: u32,
}

/// A key without its own copy of the tenant; hashes as [`Key`] does.
#[derive(Hash)]
struct KeyRef<'a> {
    tenant: &'a str,
    generation: u32,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.tenant == key.tenant.as_str() && self.generation == key.generation
    }
}

impl DocumentCache {
    /// A cache that keeps a document for `ttl`; zero: none.
    pub(crate) fn new(ttl: Duration) -> Self {
        let documents = (!ttl.is_zero()).then(|| Cache::builder().max_capacity(CAPACITY).time_to_live(ttl).build());
        Self { documents, generations: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(), slots: RandomState::new() }
    }

    /// The document if it is there.
    pub(crate) async fn get(&self, tenant: &str) -> Option<UserPreferences> {
        let generation = self.generation(tenant).load(Ordering::Acquire);
        self.documents.as_ref()?.get(&KeyRef { tenant, generation }).await
    }

    /// The document, from `load` if it is not there; who asks at the same time shares the one load. Failures are not kept.
    pub(crate) async fn get_or_load(
        &self,
        tenant: TenantId,
        load: impl Future<Output = Result<UserPreferences, ClientError>>,
    ) -> Result<UserPreferences, ClientError> {
        let Some(documents) = &self.documents else {
            return load.await;
        };
        let generation = self.generation(tenant.as_str()).load(Ordering::Acquire);
        documents.try_get_with(Key { tenant, generation }, load).await.map_err(|shared| ClientError::clone(&shared))
    }

    /// From now on nobody gets a document of this tenant that was asked for before.
    pub(crate) async fn drop_tenant(&self, tenant: &str) {
        let generation = self.generation(tenant).fetch_add(1, Ordering::AcqRel);
        if let Some(documents) = &self.documents {
            documents.invalidate(&KeyRef { tenant, generation }).await;
        }
    }

    /// From now on nobody gets a document that was asked for before.
    pub(crate) fn drop_all(&self) {
        for generation in &self.generations {
            generation.fetch_add(1, Ordering::AcqRel);
        }
        if let Some(documents) = &self.documents {
            documents.invalidate_all();
        }
    }

    fn generation(&self, tenant: &str) -> &AtomicU32 {
        let slot = self.slots.hash_one(tenant) as usize % SLOTS;
        &self.generations[slot]
    }
}
