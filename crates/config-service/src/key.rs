//! API keys (W4): random text shown once, stored as its hash.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

/// What a key may do (W4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
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

    /// Returns the name as it stands in answers and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Support => "support",
            Self::Write => "write",
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }

    /// Returns the scope of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a key may do, all together (W4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scopes(u8);

impl Scopes {
    /// Reads names separated by blanks; `None` if one of them is no scope, or if there is none.
    pub(crate) fn parse(names: &str) -> Option<Self> {
        let scopes =
            names.split_ascii_whitespace().map(Scope::named).collect::<Option<Vec<_>>>()?;
        (!scopes.is_empty()).then(|| scopes.into_iter().collect())
    }

    /// Returns whether one of these is among them.
    pub(crate) fn hold_any(self, of: &[Scope]) -> bool {
        of.iter().any(|scope| self.0 & scope.bit() != 0)
    }

    /// Returns the names of those held.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0).map(Scope::as_str)
    }

    /// As it is stored and shown in sentences: names separated by blanks.
    pub(crate) fn text(self) -> String {
        self.names().collect::<Vec<_>>().join(" ")
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |all, scope| all | scope.bit()))
    }
}

/// A key that is known to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiKey {
    /// By which it is listed and revoked.
    pub(crate) id: u64,
    /// Who holds it; stands in the history as the actor (W3).
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Scopes,
    /// Since when.
    pub(crate) created_at: Timestamp,
    /// Who made it.
    pub(crate) created_by: String,
    /// From when on it is refused; `None` if it does not expire.
    pub(crate) expires_at: Option<Timestamp>,
    /// Since when it is refused, if it was revoked.
    pub(crate) revoked_at: Option<Timestamp>,
    /// When it was last used, as far as that is noted.
    pub(crate) last_used_at: Option<Timestamp>,
    /// How often it was used, as far as that is noted.
    pub(crate) uses: u64,
}

impl ApiKey {
    /// Returns whether it lets anybody in at this instant.
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// A key to store.
#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    /// Of its text.
    pub(crate) hash: KeyHash,
    /// Who holds it.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Scopes,
    /// Who makes it.
    pub(crate) created_by: String,
    /// From when on it is refused.
    pub(crate) expires_at: Option<Timestamp>,
}

/// How a key was used since the last note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyUse {
    /// Which key.
    pub(crate) id: u64,
    /// When it was last used.
    pub(crate) last_used_at: Timestamp,
    /// How often.
    pub(crate) uses: u64,
}

/// A key's text: 256 random bits, so that the hash needs neither salt nor stretching.
pub(crate) struct Secret(String);

/// What is stored of a key.
pub(crate) type KeyHash = [u8; 32];

impl Secret {
    /// Returns a new random key.
    pub(crate) fn random() -> Self {
        Self(format!("cohort_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())))
    }

    /// Returns the text to show once.
    pub(crate) fn reveal(self) -> String {
        self.0
    }

    /// Returns what is stored.
    pub(crate) fn hash(&self) -> KeyHash {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Returns the hash under which a key is looked up. Timing tells nothing: the text behind a near
/// hash cannot be constructed.
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
    fn scopes_read_back_as_they_are_written() {
        let scopes: Scopes = [Scope::Write, Scope::Read].into_iter().collect();
        assert_eq!(scopes.text(), "read write");
        assert_eq!(Scopes::parse("write  read"), Some(scopes));
        assert_eq!(Scopes::parse("read root"), None);
        assert_eq!(Scopes::parse(" "), None);
        assert!(
            scopes.hold_any(&[Scope::Admin, Scope::Read])
                && !scopes.hold_any(&[Scope::Admin, Scope::Agent])
        );
    }
}
