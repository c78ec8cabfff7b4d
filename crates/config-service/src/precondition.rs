//! `If-Match` and `If-None-Match` against versions (W2; RFC 9110, section 13).
//!
//! The headers are read here and not by the crate `headers`: that one passes over what is no entity
//! tag, so that a request with `If-Match: 3` would be refused as if version 3 were gone, and not
//! told what is wrong with it.

use crate::error::ConfigServiceError;

/// What a request asks of the version that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Precondition {
    /// One of these must be there.
    pub(crate) if_match: Option<Tags>,
    /// None of these may be there.
    pub(crate) if_none_match: Option<Tags>,
}

/// The entity tags of one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`: whatever is there.
    Any,
    /// These versions. A tag that is none of ours matches nothing and is left out.
    Versions(Vec<u64>),
}

impl Tags {
    /// Reads a header's value; `None` if it is no list of entity tags.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        if value.trim() == "*" {
            return Some(Self::Any);
        }
        let tags = value.split(',').map(|tag| opaque_part(tag.trim()));
        let versions =
            tags.map(|tag| tag.map(|tag| tag.parse().ok())).collect::<Option<Vec<_>>>()?;
        Some(Self::Versions(versions.into_iter().flatten().collect()))
    }

    fn hold(&self, current: Option<u64>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Versions(versions), Some(current)) => versions.contains(&current),
        }
    }
}

/// Returns what stands between the quotes of a strong tag; for a weak one a text that is no
/// version, as weak tags never match.
fn opaque_part(tag: &str) -> Option<&str> {
    if tag.starts_with("W/\"") {
        return Some("weak");
    }
    tag.strip_prefix('"')?.strip_suffix('"')
}

impl Precondition {
    /// Fails if the precondition does not hold for the version that is there, `None` if nothing is
    /// (a deleted preference is not there).
    pub(crate) fn check(&self, current: Option<u64>) -> Result<(), ConfigServiceError> {
        let there = || {
            current
                .map_or("nothing is there".into(), |version| format!("version {version} is there"))
        };
        if self.if_match.as_ref().is_some_and(|tags| !tags.hold(current)) {
            return Err(ConfigServiceError::PreconditionFailed(format!(
                "If-Match, but {}",
                there()
            )));
        }
        if self.is_none_match_broken(current) {
            return Err(ConfigServiceError::PreconditionFailed(format!(
                "If-None-Match, but {}",
                there()
            )));
        }
        Ok(())
    }

    /// Returns whether a reader already has what is there.
    pub(crate) fn is_none_match_broken(&self, current: Option<u64>) -> bool {
        self.if_none_match.as_ref().is_some_and(|tags| tags.hold(current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &str) -> Precondition {
        Precondition { if_match: Tags::parse(value), if_none_match: None }
    }

    fn if_none_match(value: &str) -> Precondition {
        Precondition { if_match: None, if_none_match: Tags::parse(value) }
    }

    #[test]
    fn if_match_wants_the_version_that_is_there() {
        assert!(if_match("\"3\"").check(Some(3)).is_ok());
        assert!(if_match("\"1\", \"3\"").check(Some(3)).is_ok());
        assert!(if_match("*").check(Some(3)).is_ok());
        for (header, current) in [
            ("\"2\"", Some(3)),
            ("W/\"3\"", Some(3)),
            ("\"other\"", Some(3)),
            ("*", None),
            ("\"3\"", None),
        ] {
            assert!(if_match(header).check(current).is_err(), "{header}");
        }
    }

    #[test]
    fn if_none_match_any_creates_only() {
        assert!(if_none_match("*").check(None).is_ok());
        assert!(if_none_match("*").check(Some(1)).is_err());
        assert!(if_none_match("\"1\"").check(Some(2)).is_ok());
    }

    #[test]
    fn what_is_no_list_of_tags_is_not_read() {
        assert_eq!(Tags::parse("3"), None);
        assert_eq!(Tags::parse(""), None);
    }
}
