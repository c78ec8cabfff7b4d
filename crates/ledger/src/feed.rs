//! Positions in the outcome feed, and the cursors that readers hold (F7, F11).

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

/// Where a page of the feed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeedSince {
    /// At the oldest entry that is kept.
    Oldest,
    /// After the newest entry.
    Now,
    /// At this position.
    Position(FeedPosition),
}

impl FeedSince {
    /// Reads what a request asks for: nothing, `now`, or a cursor of this incarnation.
    pub(crate) fn read(text: Option<&str>, incarnation: &str) -> Result<Self, LedgerError> {
        match text {
            None => Ok(Self::Oldest),
            Some("now") => Ok(Self::Now),
            Some(cursor) => FeedPosition::read(cursor, incarnation).map(Self::Position),
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
            Self::Position(position) if (pruned..=newest).contains(&position) => Ok(position),
            Self::Position(_) => Err(LedgerError::CursorGone),
        }
    }
}

impl FeedPosition {
    /// The cursor of the page that begins here.
    pub(crate) fn cursor(self, incarnation: &str) -> String {
        let Self { transaction, entry } = self;
        format!("{}-{transaction}-{entry}", shown(incarnation))
    }

    fn read(cursor: &str, incarnation: &str) -> Result<Self, LedgerError> {
        let malformed = || LedgerError::Cursor(cursor.into());
        let parts: Vec<&str> = cursor.split('-').collect();
        let [life, transaction, entry] = parts[..] else { return Err(malformed()) };
        if life.len() != INCARNATION_SHOWN || !life.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let (Ok(transaction), Ok(entry)) = (transaction.parse(), entry.parse()) else {
            return Err(malformed());
        };
        if life == shown(incarnation) {
            Ok(Self { transaction, entry })
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
        let cursor = position.cursor(OURS);
        assert_eq!(
            FeedSince::read(Some(&cursor), OURS).expect("reads"),
            FeedSince::Position(position)
        );
        assert!(matches!(
            FeedSince::read(Some(&cursor), "ffff0000ffff0000"),
            Err(LedgerError::CursorGone)
        ));
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
