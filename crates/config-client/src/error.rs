//! What can go wrong between a caller and the Config Database.

use std::sync::Arc;
use std::time::Duration;

use cohort_preferences::{FieldError, IdError};
use reqwest::StatusCode;
use serde::Deserialize;

/// Why a call failed. Every variant names the request (`act`, such as `GET /tenants/user123/…`),
/// and none holds a key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The base address is none.
    #[error(
        "{given:?} is no address of a Config Database: expected one such as \
         http://config-service:8000/api/v1"
    )]
    Address {
        /// What was given; empty where it held a password.
        given: String,
    },
    /// A setting of the client is missing or wrong.
    #[error("{name}: {detail}")]
    Setting {
        /// The setting, by its environment variable.
        name: &'static str,
        /// What was expected.
        detail: String,
    },
    /// The HTTP client could not be made ready.
    #[error("the HTTP client could not be made ready")]
    Setup {
        /// The cause.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// A name given is none.
    #[error("{name:?} is no {kind}")]
    Name {
        /// What it should have been.
        kind: &'static str,
        /// What was given.
        name: String,
        /// The cause.
        #[source]
        source: IdError,
    },
    /// `.` and `..` cannot stand in a path: every HTTP client resolves them, also percent-encoded.
    #[error("the tenant {tenant:?} cannot be addressed by a path")]
    Unaddressable {
        /// The tenant.
        tenant: String,
    },
    /// No connection, a broken one, or no answer in time.
    #[error("{act}: the Config Database did not answer")]
    Unreachable {
        /// The request.
        act: String,
        /// The cause.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// The connection stands, and nothing comes: no answer, or no heartbeat of the change feed.
    #[error("{act}: the Config Database was silent for {}", seconds(*waited))]
    Silent {
        /// The request.
        act: String,
        /// How long.
        waited: Duration,
    },
    /// So many requests have failed that for some seconds none is sent.
    #[error("{act}: not sent, because the Config Database has failed too often just now")]
    CircuitOpen {
        /// The request.
        act: String,
    },
    /// 401 or 403: the key is missing, unknown, expired, or may not do this.
    #[error(
        "{act}: {status}: {detail}; the key is CONFIG_SERVICE_API_KEY or the one given to the \
         client's builder"
    )]
    Denied {
        /// The request.
        act: String,
        /// 401 or 403.
        status: StatusCode,
        /// What the Config Database says, or that no key was sent.
        detail: String,
    },
    /// 410: the cursor is past retention or of another incarnation; start again without one, lists
    /// first (F7).
    #[error("{act}: the change feed no longer holds this cursor; read everything anew")]
    Gone {
        /// The request.
        act: String,
    },
    /// 429 or 5xx: the Config Database cannot serve this now.
    #[error("{act}: {problem}")]
    Unavailable {
        /// The request.
        act: String,
        /// Its answer.
        problem: Problem,
        /// The least wait that it asks for.
        retry_after: Option<Duration>,
    },
    /// Another refusal in the Config Database's own words, such as 422 with the fields that are
    /// wrong.
    #[error("{act}: {problem}")]
    Refused {
        /// The request.
        act: String,
        /// Its answer.
        problem: Problem,
    },
    /// The answer is not what the Config Database says to this request.
    #[error("{act}: {what}; does CONFIG_SERVICE_URL name a Config Database?")]
    Garbage {
        /// The request.
        act: String,
        /// What came instead.
        what: String,
    },
    /// A streamed answer ended in the middle.
    #[error("{act}: the answer broke off")]
    BrokenOff {
        /// The request.
        act: String,
        /// The cause.
        #[source]
        source: Arc<std::io::Error>,
    },
}

fn seconds(waited: Duration) -> String {
    format!("{:.1} s", waited.as_secs_f64())
}

/// An error answer (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl ClientError {
    /// Whether the same call can succeed later, without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Silent { .. }
                | Self::CircuitOpen { .. }
                | Self::Unavailable { .. }
                | Self::BrokenOff { .. }
        )
    }

    /// Whether it says nothing about what was asked: no answer, or one that is not the Config
    /// Database's.
    pub fn is_outage(&self) -> bool {
        self.is_transient() || matches!(self, Self::Garbage { .. })
    }

    /// The least wait that the Config Database asks for before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The status code that the Config Database answered with, if it is an error answer.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Denied { status, .. } => Some(*status),
            Self::Gone { .. } => Some(StatusCode::GONE),
            Self::Unavailable { problem, .. } | Self::Refused { problem, .. } => {
                Some(problem.status)
            }
            _ => None,
        }
    }
}

impl Problem {
    /// Reads problem+json; `None` if the body is none.
    pub fn from_json(status: StatusCode, body: &[u8]) -> Option<Self> {
        let ProblemJson { title, detail, errors } = serde_json::from_slice(body).ok()?;
        let detail = if detail.is_empty() { title } else { detail };
        Some(Self { status, detail, errors })
    }

    /// An error answer without a word of explanation.
    pub(crate) fn bare(status: StatusCode) -> Self {
        Self { status, detail: String::new(), errors: Vec::new() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
