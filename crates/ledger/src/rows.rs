//! Rows on their way into tables that take thousands of them: outcomes and attempts.
//!
//! Each column is declared once, with its type, so that the columns of a statement and the values
//! that it binds are always the same list. How a value is bound is the database's affair.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::chunk::{ChunkResult, RetriedAttempt};
use crate::json::to_json;
use crate::outcome::Outcome;
use crate::states::REQUEUED;

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Number,
    Integer,
    Flag,
    Text,
}

/// What a row has in a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(Option<i64>),
    Integer(i32),
    Flag(bool),
    Text(Option<&'a str>),
}

/// A type that a column can have.
trait Stored {
    const KIND: Kind;

    fn value(&self) -> Value<'_>;
}

macro_rules! stored {
    ($($kind:ident: $type:ty = |$stored:ident| $value:expr,)*) => {
        $(impl Stored for $type {
            const KIND: Kind = Kind::$kind;

            fn value(&self) -> Value<'_> {
                let $stored = self;
                Value::$kind($value)
            }
        })*
    };
}

stored! {
    Number: i64 = |number| Some(*number),
    Number: Option<i64> = |number| *number,
    Integer: i32 = |integer| *integer,
    Flag: bool = |flag| *flag,
    Text: Option<&str> = |text| *text,
    Text: Option<String> = |text| text.as_deref(),
    Text: Option<Cow<'_, str>> = |text| text.as_deref(),
}

/// Declares the rows of a table: its columns, and a struct with what a row has in them.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident<$life:lifetime> in $table:literal {
        $($column:ident: $kind:ty,)*
    }) => {
        $(#[$doc])*
        pub(crate) struct $name<$life> {
            $($column: $kind,)*
        }

        impl<$life> $name<$life> {
            /// The table.
            pub(crate) const TABLE: &'static str = $table;

            /// The columns that a row states.
            pub(crate) const COLUMNS: [(&'static str, Kind); [$(stringify!($column)),*].len()] =
                [$((stringify!($column), <$kind as Stored>::KIND)),*];

            /// The values of the columns, in their order.
            pub(crate) fn values(&self) -> [Value<'_>; [$(stringify!($column)),*].len()] {
                [$(self.$column.value()),*]
            }
        }
    };
}

row! {
    /// An outcome.
    OutcomeRow<'a> in "outcome" {
        run: i64,
        ordinal: i64,
        tenant: i64,
        chunk: i64,
        finished_at: i64,
        preference_version: Option<i64>,
        purpose_version: Option<i64>,
        settlement: i64,
        status: i32,
        attempts: i32,
        stale: bool,
        reason: Option<&'a str>,
        detail: Option<Cow<'a, str>>,
        result: Option<String>,
        repeats: Option<String>,
    }
}

row! {
    /// An attempt that was tried again.
    AttemptRow<'a> in "attempt" {
        run: i64,
        ordinal: i64,
        tenant: i64,
        at: i64,
        attempt: i32,
        error: Option<Cow<'a, str>>,
    }
}

/// How a database stores a text that somebody else wrote.
pub(crate) type StoreText = fn(&str) -> Cow<'_, str>;

impl<'a> OutcomeRow<'a> {
    /// The outcomes of a chunk, recorded as this entry of the feed.
    pub(crate) fn all_of(
        chunk: &'a ChunkResult,
        feed_entry: i64,
        store_text: StoreText,
    ) -> impl Iterator<Item = Self> {
        chunk.outcomes.iter().map(move |outcome| Self::of(chunk, feed_entry, outcome, store_text))
    }

    fn of(
        chunk: &'a ChunkResult,
        feed_entry: i64,
        outcome: &'a Outcome,
        store_text: StoreText,
    ) -> Self {
        Self {
            run: chunk.run.0,
            ordinal: outcome.ordinal as i64,
            tenant: outcome.number as i64,
            chunk: chunk.chunk,
            finished_at: micros(chunk.at),
            preference_version: outcome.preference_version.map(|version| version as i64),
            purpose_version: outcome.purpose_version.map(i64::from),
            settlement: feed_entry,
            status: outcome.status.name().code(),
            attempts: outcome.attempts as i32,
            stale: outcome.stale,
            reason: outcome.status.reason(),
            detail: outcome.detail.as_deref().map(store_text),
            result: outcome.result.as_ref().map(serde_json::Value::to_string),
            repeats: outcome.repeats.as_ref().map(to_json),
        }
    }
}

impl<'a> AttemptRow<'a> {
    /// The attempts of a chunk after which a member is tried again.
    pub(crate) fn all_of(
        chunk: &'a ChunkResult,
        store_text: StoreText,
    ) -> impl Iterator<Item = Self> {
        chunk.retried.iter().map(move |retried| Self::of(chunk, retried, store_text))
    }

    fn of(chunk: &ChunkResult, retried: &'a RetriedAttempt, store_text: StoreText) -> Self {
        Self {
            run: chunk.run.0,
            ordinal: retried.ordinal as i64,
            tenant: retried.number as i64,
            at: micros(chunk.at),
            attempt: retried.attempt as i32,
            error: retried.error.as_deref().map(store_text),
        }
    }
}

/// An instant as it is stored: microseconds since 1970 (UTC). The last second of time is stored
/// without its parts, which do not read back (D4).
pub(crate) fn micros(instant: Timestamp) -> i64 {
    const LAST_SECOND: i64 = 253_402_207_200;
    instant.as_microsecond().min(LAST_SECOND * 1_000_000)
}

/// What is done with the outcome of a user who has one: it takes the place of one that was
/// requeued, and any other stays (D2).
pub(crate) fn instead_of_requeued() -> String {
    format!(
        "ON CONFLICT (run, ordinal) DO UPDATE
         SET chunk = excluded.chunk,
             finished_at = excluded.finished_at,
             preference_version = excluded.preference_version,
             purpose_version = excluded.purpose_version,
             settlement = excluded.settlement,
             status = excluded.status,
             attempts = excluded.attempts,
             stale = excluded.stale,
             reason = excluded.reason,
             detail = excluded.detail,
             result = excluded.result,
             repeats = excluded.repeats
         WHERE outcome.status = {REQUEUED}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_time_reads_back() {
        for end in [Timestamp::MIN, Timestamp::MAX] {
            let read = Timestamp::from_microsecond(micros(end)).expect("it reads back");
            assert!(end.duration_since(read).abs().as_secs() < 2, "{read}");
        }
    }
}
