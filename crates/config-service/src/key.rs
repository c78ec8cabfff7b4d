//! API keys (W4): random text shown once, stored as its hash.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a key may do (W4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Look.
    Read,
    /// Look, as somebody who helps users.
    Support,
    /// Look and change preferences.
    Write,
    /// Look, as the agent does.
    Agent,
    /// Everything.
    Admin,
}

impl Scope {
    const ALL: [Self; 5] = [Self::Read, Self::Support, Self::Write, Self::Agent, Self::Admin];

    /// The name as it stands in answers and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Support => "support",
            Self::Write => "write",
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    /// Whether preferences may be changed.
    pub(crate) fn may_write(self) -> bool {
        matches!(self, Self::Write | Self::Admin)
    }
}

/// A key that is known to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiKey {
    /// Who holds it; stands in the history as the actor (W3).
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scope: Scope,
}

/// A key's text: 256 random bits, so that the hash needs neither salt nor stretching.
pub(crate) struct Secret(String);

/// What is stored of a key.
pub(crate) type KeyHash = [u8; 32];

impl Secret {
    /// A new random key.
    pub(crate) fn random() -> Self {
        Self(format!("cohort_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())))
    }

    /// The text to show once.
    pub(crate) fn reveal(self) -> String {
        self.0
    }

    /// What is stored.
    pub(crate) fn hash(&self) -> KeyHash {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The hash under which a key is looked up. Timing tells nothing: the text behind a near hash cannot be constructed.
pub(crate) fn hash(key: &str) -> KeyHash {
    *blake3::hash(key.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_256_bits_of_base64url_and_hashes_as_it_reads() {
        let secret = Secret::random();
        let stored = secret.hash();
        let text = secret.reveal();
        assert_eq!(text.len(), "cohort_".len() + 43);
        assert_eq!(hash(&text), stored);
        assert_ne!(Secret::random().hash(), stored);
    }

    #[test]
    fn only_write_and_admin_may_write() {
        let writers: Vec<_> = Scope::ALL.into_iter().filter(|scope| scope.may_write()).collect();
        assert_eq!(writers, [Scope::Write, Scope::Admin]);
        assert_eq!(Scope::named("agent"), Some(Scope::Agent));
        assert_eq!(Scope::named("root"), None);
    }
}
