//! What a database is given when it is made and keeps for its life.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::cursor::Incarnation;
use crate::error::{ConfigServiceError, Result};

/// What a database was given when it was made.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    /// Which life of the database this is.
    pub(super) incarnation: Incarnation,
    /// With what signed links are signed.
    pub(super) link_secret: [u8; 32],
}

impl Identity {
    /// The names under which the parts stand in the table `meta`.
    pub(super) const KEYS: [&str; 2] = ["incarnation", "link_secret"];

    /// Returns the parts of a new database, in the order of [`Self::KEYS`].
    pub(super) fn random() -> [String; 2] {
        [Uuid::new_v4().to_string(), STANDARD.encode(rand::random::<[u8; 32]>())]
    }

    /// Reads the parts, in the order of [`Self::KEYS`].
    pub(super) fn read([incarnation, link_secret]: [String; 2]) -> Result<Self> {
        let unreadable =
            |what: &str| ConfigServiceError::Unreadable(format!("the {what} of the database"));
        let incarnation = incarnation.parse().map_err(|_malformed| unreadable("incarnation"))?;
        let secret = STANDARD.decode(link_secret).ok().and_then(|secret| secret.try_into().ok());
        Ok(Self {
            incarnation: Incarnation::of(incarnation),
            link_secret: secret.ok_or_else(|| unreadable("link secret"))?,
        })
    }
}
