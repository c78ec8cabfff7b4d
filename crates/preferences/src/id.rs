//! The names by which tenants, features, jobs and purposes are known.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text cannot be a name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty or longer than its kind allows.
    #[error("expected 1 to {max} bytes, got {got}")]
    Length {
        /// The most bytes allowed.
        max: usize,
        /// The bytes given.
        got: usize,
    },
    /// The text holds a character that its kind does not allow.
    #[error("expected {expected}, got the character {got:?}")]
    Character {
        /// The characters allowed, in words.
        expected: &'static str,
        /// The first character that is not.
        got: char,
    },
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $max:literal, $expected:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.is_empty() || text.len() > $max {
                    return Err(IdError::Length { max: $max, got: text.len() });
                }
                let allowed: fn(char) -> bool = $allowed;
                match text.chars().find(|&c| !allowed(c)) {
                    Some(got) => Err(IdError::Character { expected: $expected, got }),
                    None => Ok(Self(text.into())),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

id! {
    /// The user whose preferences these are (W5: 1 to 200 bytes, no control characters). Never a
    /// file name unencoded.
    TenantId, 200, "no control characters", |c| !c.is_control()
}
id! {
    /// What a user opts into, such as `instagram_posts`.
    FeatureType, 100, "letters, digits, '_', '-' and '.'", is_name_character
}
id! {
    /// One entry of the batch config.
    JobId, 100, "letters, digits, '_', '-' and '.'", is_name_character
}
id! {
    /// Names the handler that does a job's work.
    PurposeId, 100, "letters, digits, '_', '-' and '.'", is_name_character
}
id! {
    /// Names one document of a tenant, such as `feature_preferences`.
    ConfigKey, 100, "letters, digits, '_', '-' and '.'", is_name_character
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_id_may_hold_anything_printable_up_to_200_bytes() {
        assert!("user/ü ../x".parse::<TenantId>().is_ok());
        assert_eq!("".parse::<TenantId>(), Err(IdError::Length { max: 200, got: 0 }));
        assert!("x".repeat(200).parse::<TenantId>().is_ok());
        assert!("x".repeat(201).parse::<TenantId>().is_err());
        assert!("a\nb".parse::<TenantId>().is_err());
    }

    #[test]
    fn a_feature_type_is_a_plain_name() {
        assert!("instagram_posts".parse::<FeatureType>().is_ok());
        assert!("instagram posts".parse::<FeatureType>().is_err());
    }
}
