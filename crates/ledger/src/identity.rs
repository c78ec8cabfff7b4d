//! The identity of a user's work, and the idempotency key that handlers see (D1).

use std::fmt;

use cohort_preferences::{JobId, TenantId};

/// Bytes of the hash that go into a key: 160 bits.
const KEY_BYTES: usize = 20;

/// The idempotency key of (job, tenant, nominal time, zone): the same across retries, agents and
/// restarts (D1).
///
/// It is a hash over the fields in hexadecimal. Each field is preceded by its length, so that no
/// two different keys are hashes of the same bytes.
pub fn idempotency_key(
    job: &JobId,
    tenant: &TenantId,
    nominal: impl fmt::Display,
    timezone: &str,
) -> String {
    work_key(job, tenant, nominal, timezone, None)
}

/// The key of work that may have been requeued with a key of its own: the nonce of the requeue is
/// then one more field of the hash.
pub fn work_key(
    job: &JobId,
    tenant: &TenantId,
    nominal: impl fmt::Display,
    timezone: &str,
    nonce: Option<&str>,
) -> String {
    let nominal = nominal.to_string();
    let fields = [job.as_str(), tenant.as_str(), &nominal, timezone];
    hash(&fields.into_iter().chain(nonce).collect::<Vec<_>>())
}

/// The key of a chunk call: a hash of its users' keys.
pub fn chunk_key<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    hash(&keys.into_iter().collect::<Vec<_>>())
}

fn hash(fields: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
    hasher.finalize().to_hex()[..2 * KEY_BYTES].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(job: &str, tenant: &str) -> String {
        idempotency_key(
            &job.parse().expect("job"),
            &tenant.parse().expect("tenant"),
            "2026-12-07T10:00",
            "UTC",
        )
    }

    #[test]
    fn the_key_is_stable_and_tells_neighbouring_fields_apart() {
        assert_eq!(key("a", "bc"), key("a", "bc"));
        assert_ne!(key("a", "bc"), key("ab", "c"));
        assert_eq!(key("a", "b").len(), 40);
        assert!(!key("a", "b").contains('.'));
    }

    #[test]
    fn each_nonce_makes_another_key() {
        let key = |nonce| {
            work_key(
                &"a".parse().expect("job"),
                &"b".parse().expect("tenant"),
                "2026-12-07T10:00",
                "UTC",
                nonce,
            )
        };
        assert_eq!(key(None), super::tests::key("a", "b"));
        assert!(key(Some("1")) != key(None) && key(Some("1")) != key(Some("2")));
    }
}
