//! What a job may choose among.

use serde::{Deserialize, Serialize};

/// How the handler of a job is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobType {
    /// A handler call per user.
    IndividualBatch,
    /// A handler call per chunk.
    BatchAsObject,
}

/// Who goes first when there is more work than capacity, most urgent first (D7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before everything.
    Critical,
    /// Before medium.
    High,
    /// The default.
    #[default]
    Medium,
    /// Last.
    Low,
}

/// What becomes of occurrences whose instant passed while nothing could fire them (F1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Misfire {
    /// The most recent one is fired, if it is within the catch-up window.
    #[default]
    Latest,
    /// Each is fired, oldest first, at most 100.
    All,
    /// None is fired.
    Skip,
}

/// Whom a job serves that follows preferences (T13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enroll {
    /// Users with a preference for the feature.
    #[default]
    OptedIn,
    /// Those, and every tenant who never stated one.
    Everyone,
}

/// How often a job may run one user whose group changed (M6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OncePer {
    /// Once per nominal local date.
    #[default]
    Day,
    /// Once per day, week (Monday to Sunday) or month, by the frequency of the group that fires.
    Period,
    /// As often as the groups fire.
    Off,
}
