//! Signed links (W4): text that opens one user's own preferences for a while, and nothing else.
//!
//! ```text
//! link_1.PAYLOAD.TAG     PAYLOAD  base64url of expiry, tenant number and tenant id
//!                        TAG      base64url of the HMAC-SHA256 over all that stands before it
//! ```
//!
//! Nothing is stored of a link: it is good until it expires, or its tenant is erased. Whoever comes
//! back under the same id has another number, so that old links do not open what is theirs. The
//! secret was made with the database, so that a link opens nothing in another. What is written
//! through a link has the actor `link` in the history: no identity of a person (W8).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cohort_preferences::{Invalid, TenantId};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::config_service::ConfigService;
use crate::error::{ConfigServiceError, Result};
use crate::lifetime::Lifetime;
use crate::store::edit::{Edit, Wanted};

/// What every link begins with.
pub(crate) const PREFIX: &str = "link_";

/// The version of the text behind the prefix. It is signed too, so that a later form is never read
/// as this one.
const VERSION: &str = "1";

/// The longest life of a link: it may lie in a mailbox that somebody else comes to read.
const LONGEST: Lifetime = Lifetime::days(30);

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    tenant: TenantId,
    number: i64,
    /// The end of its life, in whole seconds.
    expires_at: Timestamp,
}

impl ConfigService {
    /// Returns a link that opens this tenant's own preferences, and when it ends. A tenant who
    /// never wrote exists from then on.
    pub(crate) async fn create_link(
        &self,
        tenant: TenantId,
        lifetime: Lifetime,
    ) -> Result<(String, Timestamp)> {
        if lifetime > LONGEST {
            return Err(Invalid::one("/expires_in", "expected at most 30d").into());
        }
        let number = match self.number_of(&tenant).await? {
            Some(number) => number,
            None => self.introduce(tenant.clone()).await?,
        };
        let link = Link { tenant, number, expires_at: lifetime.end(self.0.clock.now()) };
        Ok((link.token(&self.0.store.link_secret()), link.expires_at))
    }

    /// Returns whose preferences this link opens.
    pub(crate) async fn open_link(&self, token: &str) -> Result<TenantId> {
        let link = Link::read(token, &self.0.store.link_secret())
            .ok_or(ConfigServiceError::Unauthorized)?;
        let is_theirs = self.0.clock.now() < link.expires_at
            && self.number_of(&link.tenant).await? == Some(link.number);
        if is_theirs { Ok(link.tenant) } else { Err(ConfigServiceError::Unauthorized) }
    }

    async fn number_of(&self, tenant: &TenantId) -> Result<Option<i64>> {
        Ok(self.0.store.tenant(tenant).await?.and_then(|tenant| tenant.number))
    }

    /// Writes a tenant that has nothing yet.
    async fn introduce(&self, tenant: TenantId) -> Result<i64> {
        self.refuse_if_read_only()?;
        let edit = Edit {
            tenant,
            feature: None,
            actor: "link".into(),
            decide: Box::new(|_| Ok(Wanted::default())),
        };
        let edited = self.0.store.edit(edit).await?;
        Ok(edited.after.number.expect("an edit that is not refused leaves the tenant there"))
    }
}

impl Link {
    fn token(&self, secret: &[u8; 32]) -> String {
        let payload = self.payload();
        let tag = signature(secret, &payload).finalize().into_bytes();
        format!(
            "{PREFIX}{VERSION}.{}.{}",
            URL_SAFE_NO_PAD.encode(payload),
            URL_SAFE_NO_PAD.encode(tag)
        )
    }

    /// Reads a link that was signed with this secret, whether it has expired or not.
    fn read(token: &str, secret: &[u8; 32]) -> Option<Self> {
        let (payload, tag) = token
            .strip_prefix(PREFIX)?
            .strip_prefix(VERSION)?
            .strip_prefix('.')?
            .split_once('.')?;
        let (payload, tag) =
            (URL_SAFE_NO_PAD.decode(payload).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
        signature(secret, &payload).verify_slice(&tag).ok()?;
        let (expires_at, rest) = payload.split_first_chunk::<8>()?;
        let (number, tenant) = rest.split_first_chunk::<8>()?;
        Some(Self {
            tenant: std::str::from_utf8(tenant).ok()?.parse().ok()?,
            number: i64::from_be_bytes(*number),
            expires_at: Timestamp::from_second(i64::from_be_bytes(*expires_at)).ok()?,
        })
    }

    fn payload(&self) -> Vec<u8> {
        [
            &self.expires_at.as_second().to_be_bytes()[..],
            &self.number.to_be_bytes(),
            self.tenant.as_str().as_bytes(),
        ]
        .concat()
    }
}

fn signature(secret: &[u8; 32], payload: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC takes a key of any length");
    mac.update(PREFIX.as_bytes());
    mac.update(VERSION.as_bytes());
    mac.update(b".");
    mac.update(payload);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn link(tenant: &str) -> Link {
        Link {
            tenant: tenant.parse().expect("an id"),
            number: 7,
            expires_at: "2026-12-01T12:00:00Z".parse().expect("an instant"),
        }
    }

    #[test]
    fn a_link_reads_back_with_the_secret_that_signed_it_only() {
        let token = link("org/ann ü").token(&SECRET);
        assert!(
            token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
            "{token}"
        );
        assert_eq!(Link::read(&token, &SECRET), Some(link("org/ann ü")));
        assert_eq!(Link::read(&token, &[8; 32]), None);
    }

    #[test]
    fn a_link_that_was_changed_anywhere_opens_nothing() {
        let token = link("ann").token(&SECRET);
        for place in 0..token.len() {
            for other in [b'A', b'B', b'.', b'2'] {
                let mut changed = token.clone().into_bytes();
                if changed[place] == other {
                    continue;
                }
                changed[place] = other;
                let changed = String::from_utf8(changed).expect("ASCII");
                assert_eq!(Link::read(&changed, &SECRET), None, "{changed}");
            }
            assert_eq!(Link::read(&token[..place], &SECRET), None);
        }
        let swapped = format!(
            "{}.{}",
            link("bob").token(&SECRET).rsplit_once('.').expect("parts").0,
            token.rsplit('.').next().expect("a tag")
        );
        assert_eq!(Link::read(&swapped, &SECRET), None);
    }
}
