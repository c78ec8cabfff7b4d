//! What a database is given when it is made and keeps for its life.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::cursor::Incarnation;
use crate::error::{ConfigServiceError, Result};

/// What a database was given when it was made.
#[derive(Clone)]
pub(super) struct Identity {
    /// Which life of the database this is.
    pub(super) incarnation: Incarnation,
    /// Those of the databases that it is a copy of, oldest first.
    pub(super) copied_from: Vec<Incarnation>,
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

    /// The name under which the incarnations stand that the database was copied from, with blanks
    /// between them.
    pub(super) const COPIED_FROM: &str = "copied_from";

    /// Reads the parts, in the order of [`Self::KEYS`]. A copy that nobody has opened to write has
    /// no incarnation yet: it gets one that lasts as long as this opening.
    pub(super) fn read(
        [incarnation, link_secret]: [Option<String>; 2],
        copied_from: Option<&str>,
    ) -> Result<Self> {
        let unreadable =
            |what: &str| ConfigServiceError::Unreadable(format!("the {what} of the database"));
        let read = |text: &str| -> Result<Incarnation> {
            text.parse().map(Incarnation::of).map_err(|_malformed| unreadable("incarnation"))
        };
        let incarnation = match incarnation {
            Some(incarnation) => read(&incarnation)?,
            None => Incarnation::of(Uuid::new_v4()),
        };
        let copied_from = copied_from.unwrap_or_default().split_whitespace().map(read);
        let secret = link_secret
            .and_then(|secret| STANDARD.decode(secret).ok())
            .and_then(|secret| secret.try_into().ok());
        Ok(Self {
            incarnation,
            copied_from: copied_from.collect::<Result<_>>()?,
            link_secret: secret.ok_or_else(|| unreadable("link secret"))?,
        })
    }
}
