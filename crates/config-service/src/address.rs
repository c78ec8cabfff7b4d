//! Where the database is, as `DATABASE_URL` says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the database is. Its text never shows a password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// An SQLite file, made if it is not there: `sqlite://PATH`.
    Sqlite(PathBuf),
    /// A schema of a PostgreSQL database, made if it is not there:
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    Postgres {
        /// The address, with everything that the driver understands.
        url: String,
        /// The schema: several deployments may share a database.
        schema: String,
    },
}

/// A text that says no address of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct DatabaseAddressError;

/// The schema if none is named.
const DEFAULT_SCHEMA: &str = "cohort";

impl DatabaseAddress {
    /// Returns the same address with another schema, where there are schemas.
    #[must_use]
    pub fn in_schema(self, name: &str) -> Self {
        match self {
            Self::Postgres { url, .. } => Self::Postgres { url, schema: name.to_owned() },
            sqlite @ Self::Sqlite(_) => sqlite,
        }
    }
}

impl FromStr for DatabaseAddress {
    type Err = DatabaseAddressError;

    fn from_str(text: &str) -> Result<Self, DatabaseAddressError> {
        let (scheme, rest) = text.split_once(':').ok_or(DatabaseAddressError)?;
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() {
                    Err(DatabaseAddressError)
                } else {
                    Ok(Self::Sqlite(path.into()))
                }
            }
            "postgres" | "postgresql" if rest.starts_with("//") => {
                Ok(Self::Postgres { url: text.to_owned(), schema: DEFAULT_SCHEMA.into() })
            }
            _ => Err(DatabaseAddressError),
        }
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres { url, schema } => {
                let place = url
                    .split_once("//")
                    .map_or("", |(_, rest)| rest.rsplit_once('@').map_or(rest, |(_, place)| place));
                let place = place.split_once('?').map_or(place, |(place, _)| place);
                write!(f, "postgres://{place} (schema {schema})")
            }
        }
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_without_its_password() {
        let shown = |text: &str| text.parse::<DatabaseAddress>().map(|address| address.to_string());
        assert_eq!(shown("sqlite://data/config.db"), Ok("sqlite://data/config.db".into()));
        assert_eq!(shown("sqlite:///var/config.db"), Ok("sqlite:///var/config.db".into()));
        assert_eq!(
            shown("postgres://me:s3c@ret@db:5432/app?password=s3cret"),
            Ok("postgres://db:5432/app (schema cohort)".into())
        );
        for wrong in ["", "config.db", "sqlite:", "mysql://db", "postgres:db"] {
            assert_eq!(shown(wrong), Err(DatabaseAddressError), "{wrong}");
        }
    }
}
