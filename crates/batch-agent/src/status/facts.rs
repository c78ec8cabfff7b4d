//! What a status is made of.

use cohort_database::DiskUsage;
use cohort_ledger::HealthState;
use cohort_preferences::{JobId, NamedRun, PurposeId};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::condition::{Checked, Fault};

/// What failed or was missed in runs due within this counts as lately.
pub(crate) const LATELY: SignedDuration = SignedDuration::from_hours(24);

/// Over how long the rate is taken at which work ends.
pub(crate) const RATE_OVER: SignedDuration = SignedDuration::from_mins(2);

/// An agent that has given no sign of life for longer is silent.
pub(crate) const AGENT_IS_SILENT_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// How everything stands at an instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// When.
    pub at: Timestamp,
    /// The version of the program that answers.
    pub version: String,
    /// Its time zone database.
    pub time_zone_database: String,
    /// Each job in force or with open work, by name.
    pub jobs: Vec<JobFacts>,
    /// Each purpose that a job in force names or that is not healthy, by name.
    pub purposes: Vec<PurposeFacts>,
    /// Each agent of the ledger, by name.
    pub agents: Vec<AgentSeen>,
    /// The agent that answers; null where only files are looked at.
    pub agent: Option<AgentHere>,
    /// How much room the ledger takes and has left (F13); null if it cannot be told.
    pub storage: Option<DiskUsage>,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobFacts {
    /// Which job.
    pub job_id: JobId,
    /// Who does its work; null for a job that was removed.
    pub purpose_id: Option<PurposeId>,
    /// Since when it is paused; null if it is not.
    pub paused_since: Option<Timestamp>,
    /// Whether the agent that answers plans it; null without one.
    pub is_served: Option<bool>,
    /// Its runs that are open.
    pub runs_open: u64,
    /// Users of open runs who have no outcome yet, as far as they are known.
    pub users_waiting: u64,
    /// Since when the longest waiting are due; null if nobody waits.
    pub due_since: Option<Timestamp>,
    /// How many users' work ends in a minute, over the last two.
    pub users_per_minute: u64,
    /// When the last who waits will be done at that rate; null if nobody waits or nothing ends.
    pub ends_at: Option<Timestamp>,
    /// Users who failed, of runs due in the last 24 hours.
    pub failed_lately: u64,
    /// Users who were missed, of runs due in the last 24 hours.
    pub missed_lately: u64,
    /// When it runs next; null without an agent.
    pub next_run: Option<NamedRun>,
}

/// How a purpose does (D12).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PurposeFacts {
    /// Which purpose.
    pub purpose_id: PurposeId,
    /// Whether and how fast it is called.
    pub state: HealthState,
    /// Since when; null for one whose state was never another.
    pub since: Option<Timestamp>,
    /// While slowed: until when. While failing: when the next probe goes.
    pub until: Option<Timestamp>,
    /// Why it is in this state.
    pub cause: Option<String>,
    /// What the last call that failed said.
    pub last_error: Option<String>,
    /// How many calls have failed since the state began.
    pub calls_failed: u64,
    /// Users of its jobs who wait.
    pub users_waiting: u64,
}

/// An agent as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentSeen {
    /// Its name in claims.
    pub agent: String,
    /// Its version; empty if it was too old to say.
    pub version: String,
    /// Its time zone database.
    pub time_zone_database: String,
    /// When it last said that it lives. One that ended in order is not listed.
    pub seen_at: Timestamp,
    /// Whether that is so long ago that it counts as gone.
    pub is_silent: bool,
}

/// The agent that answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentHere {
    /// What of it cannot do its work (F12).
    pub faults: Vec<Fault>,
    /// How late it hears of changes, in seconds.
    pub feed_lag_seconds: f64,
    /// Users called and not yet answered.
    pub calls_in_flight: usize,
    /// What it found when it last held what was due against the record; null before the first time.
    pub completeness: Option<Checked>,
}

impl JobFacts {
    /// For how long the longest waiting have been due.
    pub(crate) fn late_by(&self, now: Timestamp) -> SignedDuration {
        self.due_since.map_or(SignedDuration::ZERO, |since| now.duration_since(since))
    }
}
