//! Error responses in the Config Database's own words (RFC 9457).

use std::fmt;

use cohort_preferences::FieldError;
use reqwest::StatusCode;
use serde::Deserialize;

/// An error response (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The status code.
    pub status: StatusCode,
    /// What happened, in a sentence.
    pub detail: String,
    /// The fields that are wrong (W1).
    pub errors: Vec<FieldError>,
}

/// The members of problem+json that are read.
#[derive(Deserialize)]
struct ProblemJson {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<FieldError>,
}

impl Problem {
    /// Reads problem+json; `None` if the body is something else.
    pub fn from_json(status: StatusCode, body: &[u8]) -> Option<Self> {
        let ProblemJson { title, detail, errors } = serde_json::from_slice(body).ok()?;
        let detail = if detail.is_empty() { title } else { detail };
        Some(Self { status, detail, errors })
    }

    /// An error response without a word of explanation.
    pub(crate) fn bare(status: StatusCode) -> Self {
        Self { status, detail: String::new(), errors: Vec::new() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for FieldError { pointer, detail } in &self.errors {
            write!(f, "; {pointer}: {detail}")?;
        }
        Ok(())
    }
}
