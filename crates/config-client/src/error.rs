//! What can go wrong between a caller and the Config Database.

use std::sync::Arc;
use std::time::Duration;

use cohort_preferences::{FeatureType, Frequency, GroupError, IdError, TimeKey};
use reqwest::StatusCode;

use crate::problem::Problem;

/// Why a call failed. Every variant that comes from a request names it, such as
/// `GET /tenants/user123/…`; none holds a key.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The base address is invalid.
    #[error(
        "{given:?} is not the address of a Config Database: expected one such as \
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
    /// A name is one that nothing of its kind can have.
    #[error("not a valid {kind}")]
    Name {
        /// What it should have been.
        kind: &'static str,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
    /// A frequency or time key is invalid, or the two do not fit each other.
    #[error("not a valid frequency and time key")]
    Group {
        /// What is wrong with it.
        #[source]
        source: GroupError,
    },
    /// `.` and `..` cannot stand in a path: every HTTP client resolves them, also percent-encoded.
    #[error("the name {name:?} cannot be addressed by a path")]
    Unaddressable {
        /// The name.
        name: String,
    },
    /// No user of the feature states this group, and none did so recently.
    #[error("the feature {feature_type} has no group {frequency}:{time_key}")]
    NoSuchGroup {
        /// The feature.
        feature_type: FeatureType,
        /// The frequency asked for.
        frequency: Frequency,
        /// The time key asked for.
        time_key: TimeKey,
    },
    /// The connection failed or broke, or no response came in time.
    #[error("{request}: the Config Database did not answer; CONFIG_SERVICE_URL says where it is")]
    Unreachable {
        /// The request.
        request: String,
        /// The cause.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// The connection stands, but nothing comes: no response, or no heartbeat of the change feed.
    #[error("{request}: the Config Database was silent for {}", seconds(*waited))]
    Silent {
        /// The request.
        request: String,
        /// How long.
        waited: Duration,
    },
    /// So many requests have failed that for some seconds none is sent.
    #[error("{request}: not sent, because the Config Database has failed too often just now")]
    CircuitOpen {
        /// The request.
        request: String,
    },
    /// 401 or 403: the key is missing, unknown, expired, or may not do this.
    #[error(
        "{request}: {status}: {detail}; the key is CONFIG_SERVICE_API_KEY or the one given to the \
         client's builder"
    )]
    Denied {
        /// The request.
        request: String,
        /// 401 or 403.
        status: StatusCode,
        /// What the Config Database says, or that no key was sent.
        detail: String,
    },
    /// 410: the cursor is past retention or of another incarnation; start again without one, lists
    /// first (F7).
    #[error("{request}: the change feed no longer holds this cursor; read everything anew")]
    Gone {
        /// The request.
        request: String,
    },
    /// 429 or 5xx: the Config Database cannot serve this now.
    #[error("{request}: {problem}")]
    Unavailable {
        /// The request.
        request: String,
        /// Its response.
        problem: Problem,
        /// The least wait that it asks for.
        retry_after: Option<Duration>,
    },
    /// Another refusal in the Config Database's own words, such as 422 with the fields that are
    /// wrong.
    #[error("{request}: {problem}")]
    Refused {
        /// The request.
        request: String,
        /// Its response.
        problem: Problem,
    },
    /// The response cannot be one of the Config Database to this request.
    #[error("{request}: {what}; does CONFIG_SERVICE_URL name a Config Database?")]
    Garbage {
        /// The request.
        request: String,
        /// What came instead.
        what: String,
    },
    /// A streamed response ended in the middle.
    #[error("{request}: the answer broke off")]
    BrokenOff {
        /// The request.
        request: String,
        /// The cause.
        #[source]
        source: Arc<std::io::Error>,
    },
}

fn seconds(waited: Duration) -> String {
    format!("{:.1} s", waited.as_secs_f64())
}

impl ClientError {
    /// Whether the same call can succeed later, with nothing changed by a person.
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

    /// Whether it says nothing about what was asked: no response came, or one that is not the
    /// Config Database's.
    pub fn is_outage(&self) -> bool {
        self.is_transient() || matches!(self, Self::Garbage { .. })
    }

    /// Returns the least wait that the Config Database asks for before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns the status code of an error response; `None` if there was no response.
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
