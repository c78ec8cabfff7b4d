//! The name of a schema, which is fit for SQL as it stands.

use std::fmt;
use std::str::FromStr;

use crate::error::DatabaseError;

/// The name of a schema: a lower-case letter, then at most 40 of a-z, 0-9 and _, so that it never
/// needs quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SchemaName(String);

impl FromStr for SchemaName {
    type Err = DatabaseError;

    fn from_str(text: &str) -> Result<Self, DatabaseError> {
        let good = text.len() <= 41
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if good { Ok(Self(text.into())) } else { Err(DatabaseError::SchemaName(text.into())) }
    }
}

impl SchemaName {
    /// The name; fit for SQL as it stands.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_name_never_needs_quotes() {
        for good in ["c", "cohort", "a_1", &"a".repeat(41)] {
            assert_eq!(good.parse::<SchemaName>().expect("good").as_str(), good);
        }
        for bad in ["", "1a", "_a", "A", "a-b", "a\"b", "ä", &"a".repeat(42)] {
            assert!(bad.parse::<SchemaName>().is_err(), "{bad}");
        }
    }
}
