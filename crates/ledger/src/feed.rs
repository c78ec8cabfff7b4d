//! Positions in the outcome feed, and the cursors that readers hold (F7, F11).
//!
//! ```text
//! 0a0b0c0d-7-42-1f2e3d4c    incarnation, transaction and number of the entry, its fingerprint
//! 0a0b0c0d-7-42             the same without: behind an entry that is no longer kept, or as
//!                           written by a version before there were fingerprints
//! ```

use cohort_database::Fingerprint;

use crate::LedgerError;

/// How many characters of the incarnation's id stand in a cursor.
const INCARNATION_SHOWN: usize = 8;

/// The most outcomes of a page of the feed, not counting the rest of its last entry.
pub(crate) const MOST_OUTCOMES: usize = 1_000;

/// The position right after an entry of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FeedPosition {
    /// The transaction that recorded the entry; 0 where transactions never overlap.
    pub(crate) transaction: u64,
    /// The number of the entry.
    pub(crate) entry: i64,
}

/// What a cursor says: a position, and by which the entry there is known again (F11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeedCursor {
    pub(crate) position: FeedPosition,
    /// `None` where the cursor does not say it.
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// Where a page of the feed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeedSince {
    /// At the oldest entry that is kept.
    Oldest,
    /// After the newest entry.
    Now,
    /// At this position.
    Cursor(FeedCursor),
}

impl FeedSince {
    /// Reads what a request asks for: nothing, `now`, or a cursor of this incarnation.
    pub(crate) fn read(text: Option<&str>, incarnation: &str) -> Result<Self, LedgerError> {
        match text {
            None => Ok(Self::Oldest),
            Some("now") => Ok(Self::Now),
            Some(cursor) => FeedCursor::read(cursor, incarnation).map(Self::Cursor),
        }
    }

    /// The position itself.
    ///
    /// # Errors
    /// [`LedgerError::CursorGone`] if it is not among those that the feed still has.
    pub(crate) fn position(
        self,
        pruned: FeedPosition,
        newest: FeedPosition,
    ) -> Result<FeedPosition, LedgerError> {
        match self {
            Self::Oldest => Ok(pruned),
            Self::Now => Ok(newest),
            Self::Cursor(FeedCursor { position, .. }) if (pruned..=newest).contains(&position) => {
                Ok(position)
            }
            Self::Cursor(_) => Err(LedgerError::CursorGone),
        }
    }

    /// Whether the entry at the position may be the one that was asked for: `found` is its
    /// fingerprint, `None` if it is no longer kept. The oldest entry kept may have been removed by
    /// itself, and then only its number says that it is the same.
    pub(crate) fn check(
        self,
        found: Option<Fingerprint>,
        pruned: FeedPosition,
    ) -> Result<(), LedgerError> {
        let Self::Cursor(FeedCursor { position, fingerprint: Some(asked) }) = self else {
            return Ok(());
        };
        let is_same = found.map_or(position == pruned, |found| found == asked);
        if is_same { Ok(()) } else { Err(LedgerError::CursorGone) }
    }
}

impl FeedCursor {
    /// The text of the cursor.
    pub(crate) fn text(self, incarnation: &str) -> String {
        let Self { position: FeedPosition { transaction, entry }, fingerprint } = self;
        let text = format!("{}-{transaction}-{entry}", shown(incarnation));
        fingerprint.map_or(text.clone(), |fingerprint| format!("{text}-{fingerprint}"))
    }

    fn read(cursor: &str, incarnation: &str) -> Result<Self, LedgerError> {
        let malformed = || LedgerError::Cursor(cursor.into());
        let parts: Vec<&str> = cursor.split('-').collect();
        let (life, transaction, entry, fingerprint) = match parts[..] {
            [life, transaction, entry] => (life, transaction, entry, None),
            [life, transaction, entry, fingerprint] => {
                let fingerprint = fingerprint.parse().map_err(|_malformed| malformed())?;
                (life, transaction, entry, Some(fingerprint))
            }
            _ => return Err(malformed()),
        };
        if life.len() != INCARNATION_SHOWN || !life.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let (Ok(transaction), Ok(entry)) = (transaction.parse(), entry.parse()) else {
            return Err(malformed());
        };
        if life == shown(incarnation) {
            Ok(Self { position: FeedPosition { transaction, entry }, fingerprint })
        } else {
            Err(LedgerError::CursorGone)
        }
    }
}

fn shown(incarnation: &str) -> &str {
    incarnation.get(..INCARNATION_SHOWN).unwrap_or(incarnation)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "0a0b0c0d1111222233334444";

    #[test]
    fn a_cursor_reads_back_in_its_own_incarnation_only() {
        let position = FeedPosition { transaction: 7, entry: 42 };
        for fingerprint in [None, Some(Fingerprint::of(&[Some(1)]))] {
            let cursor = FeedCursor { position, fingerprint };
            let text = cursor.text(OURS);
            assert_eq!(
                FeedSince::read(Some(&text), OURS).expect("reads"),
                FeedSince::Cursor(cursor)
            );
            assert!(matches!(
                FeedSince::read(Some(&text), "ffff0000ffff0000"),
                Err(LedgerError::CursorGone)
            ));
        }
        assert_eq!(FeedSince::read(None, OURS).expect("reads"), FeedSince::Oldest);
        assert_eq!(FeedSince::read(Some("now"), OURS).expect("reads"), FeedSince::Now);
        for malformed in [
            "",
            "42",
            "0a0b0c0d-1",
            "0a0b0c0d-x-1",
            "0a0b0c0d-1-",
            "yesterday-1-1",
            "0a0b0c0d-1-1-1",
        ] {
            assert!(
                matches!(FeedSince::read(Some(malformed), OURS), Err(LedgerError::Cursor(_))),
                "{malformed}"
            );
        }
    }
}
