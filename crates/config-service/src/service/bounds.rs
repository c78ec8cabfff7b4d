//! How much a request may ask for.

use cohort_preferences::Invalid;

use crate::error::{ConfigServiceError, Result};

/// The most users in one batch-get, and in one request for a label.
pub(super) const MOST_USERS: usize = 1_000;

/// Members of a page, if the request does not say.
pub(super) const MEMBERS_A_PAGE: usize = 1_000;

/// The most members of a page.
pub(super) const MOST_MEMBERS: usize = 5_000;

/// Returns the number that a request asks for, or the default if it asks for none.
pub(super) fn bounded(
    parameter: &str,
    asked: Option<usize>,
    default: usize,
    most: usize,
) -> Result<usize> {
    match asked {
        None => Ok(default),
        Some(asked) if (1..=most).contains(&asked) => Ok(asked),
        Some(asked) => Err(ConfigServiceError::Parameter(format!(
            "{parameter}: expected 1 to {most}, got {asked}"
        ))),
    }
}

pub(super) fn too_many(pointer: &str, got: usize, most: usize) -> ConfigServiceError {
    Invalid::one(pointer, format!("expected at most {most}, got {got}")).into()
}
