//! The health of purposes: one row for each, shared by all agents of a ledger (D12).
//!
//! ```text
//! read ─► the change is decided, elsewhere ─► store_health, if nobody was faster ─► else read anew
//! ```
//!
//! A purpose without a row is healthy, and nothing is written while it is. Each row has a revision,
//! and a row is stored only over the revision that the change was decided on. So of two agents that
//! go for the next probe one gets it, and of two reports neither undoes the other unseen.
//!
//! What may fail: a row that somebody else wrote cannot be read. It is read as far as it can be,
//! says so, and never keeps another from being read (D4).

use async_trait::async_trait;
use cohort_preferences::PurposeId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::LedgerError;
use crate::rows::micros;
use crate::sealed::Sealed;

/// The most characters of a cause, an error or a name that are kept.
const LONGEST_TEXT: usize = 500;

/// Whether and how fast a purpose is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// As fast as its limits allow.
    Healthy,
    /// Not before an instant that its handler has asked for, or only a few calls at once until
    /// then, because it has just recovered.
    Slowed,
    /// Nobody is called but one probe at a time.
    Failing,
    /// Nobody is called until an operator resumes it.
    Paused,
    /// Nobody is called, and its work is skipped.
    Disabled,
}

impl HealthState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Healthy, Self::Slowed, Self::Failing, Self::Paused, Self::Disabled];

    /// The state as it stands in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Slowed => "slowed",
            Self::Failing => "failing",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// How a purpose does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PurposeHealth {
    /// The purpose.
    pub purpose: PurposeId,
    /// The state as it was stored; [`PurposeHealth::state_at`] tells the one of an instant.
    pub state: HealthState,
    /// Since when.
    pub since: Timestamp,
    /// While slowed: until when. While failing: when the next probe goes.
    pub until: Option<Timestamp>,
    /// Whether the purpose has just recovered: a few calls at once are made, and more with each
    /// round that succeeds. Only while slowed.
    pub recovering: bool,
    /// Why it is in this state.
    pub cause: Option<String>,
    /// What the last call that failed said.
    pub last_error: Option<String>,
    /// How many calls have ended in faults that may pass since the state began.
    pub calls_failed: u64,
    /// The first such fault since the last success; `None` if there was none.
    pub first_failure: Option<Timestamp>,
    /// The last success that was reported. While all is well none is, so that there may be later
    /// ones.
    pub last_success: Option<Timestamp>,
    /// The last interval in which nothing of the purpose succeeded while it was failing: from its
    /// first fault to its recovery.
    pub last_outage: Option<Outage>,
    /// How many probes have failed one after another.
    pub probes_failed: u32,
    /// Who makes the probe now, and until when nobody else does.
    #[serde(skip)]
    pub probe: Option<ProbeLease>,
    /// Calls that ended lately.
    #[serde(skip)]
    pub recent: Vec<EndedCalls>,
    /// The operator who has set the state; `None` if it came about by itself.
    pub set_by: Option<String>,
    /// Grows with each change; 0 for a purpose that nothing is stored of.
    pub revision: u64,
    /// Why the row could not be read as a whole; `None` if it could.
    pub unreadable: Option<String>,
}

/// An interval in which nothing of a purpose succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// The first fault.
    pub from: Timestamp,
    /// The recovery.
    pub until: Timestamp,
}

/// The right to make the next probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeLease {
    /// The agent.
    pub holder: String,
    /// When another agent may go ahead.
    pub until: Timestamp,
}

/// Calls that ended within a few seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedCalls {
    /// The second in which the interval began, since 1970.
    #[serde(rename = "s")]
    pub second: i64,
    /// How many ended.
    #[serde(rename = "n")]
    pub ended: u64,
    /// How many of these ended in faults that may pass.
    #[serde(rename = "f")]
    pub faulted: u64,
}

/// The part of the ledger in which agents share how purposes do.
#[async_trait]
pub trait HealthLedger: Sealed {
    /// Returns what is stored of purposes, by name. A purpose that is left out is healthy.
    async fn purpose_health(&self) -> Result<Vec<PurposeHealth>, LedgerError>;

    /// Stores how a purpose does, unless it was changed since this was read: by its revision,
    /// which grows. Returns whether it was stored.
    async fn store_health(&self, health: &PurposeHealth) -> Result<bool, LedgerError>;
}

impl PurposeHealth {
    /// A purpose that nothing is stored of.
    pub fn healthy(purpose: PurposeId) -> Self {
        Self {
            purpose,
            state: HealthState::Healthy,
            since: Timestamp::UNIX_EPOCH,
            until: None,
            recovering: false,
            cause: None,
            last_error: None,
            calls_failed: 0,
            first_failure: None,
            last_success: None,
            last_outage: None,
            probes_failed: 0,
            probe: None,
            recent: Vec::new(),
            set_by: None,
            revision: 0,
            unreadable: None,
        }
    }

    /// The state at an instant: what was slowed until then is healthy again, and nobody has to
    /// write it.
    pub fn state_at(&self, now: Timestamp) -> HealthState {
        match self.state {
            HealthState::Slowed if self.until.is_none_or(|until| until <= now) => {
                HealthState::Healthy
            }
            state => state,
        }
    }

    /// Whether work of the purpose waits for the purpose at an instant.
    pub fn holds_work(&self, now: Timestamp) -> bool {
        matches!(
            self.state_at(now),
            HealthState::Slowed | HealthState::Failing | HealthState::Paused
        )
    }
}

/// A row as it stands in the table: instants as microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HealthRow {
    pub(crate) purpose: String,
    pub(crate) state: String,
    pub(crate) since: i64,
    pub(crate) until: Option<i64>,
    pub(crate) recovering: bool,
    pub(crate) cause: Option<String>,
    pub(crate) last_error: Option<String>,
    pub(crate) calls_failed: i64,
    pub(crate) first_failure: Option<i64>,
    pub(crate) last_success: Option<i64>,
    pub(crate) outage_from: Option<i64>,
    pub(crate) outage_until: Option<i64>,
    pub(crate) probes_failed: i64,
    pub(crate) probe_holder: Option<String>,
    pub(crate) probe_until: Option<i64>,
    pub(crate) recent: String,
    pub(crate) set_by: Option<String>,
    pub(crate) revision: i64,
}

/// Reads the values of a row and notes which of them cannot be read.
#[derive(Default)]
struct Lenient {
    unreadable: Vec<&'static str>,
}

impl Lenient {
    fn value<T>(&mut self, column: &'static str, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.unreadable.push(column);
        }
        read
    }

    fn instant(&mut self, column: &'static str, micros: Option<i64>) -> Option<Timestamp> {
        self.value(column, Timestamp::from_microsecond(micros?).ok())
    }
}

impl HealthRow {
    pub(crate) fn of(health: &PurposeHealth) -> Self {
        let stored = |instant: Option<Timestamp>| instant.map(micros);
        let kept = |text: &Option<String>| text.as_deref().map(kept);
        Self {
            purpose: health.purpose.as_str().to_owned(),
            state: health.state.as_str().to_owned(),
            since: micros(health.since),
            until: stored(health.until),
            recovering: health.recovering,
            cause: kept(&health.cause),
            last_error: kept(&health.last_error),
            calls_failed: i64::try_from(health.calls_failed).unwrap_or(i64::MAX),
            first_failure: stored(health.first_failure),
            last_success: stored(health.last_success),
            outage_from: stored(health.last_outage.map(|outage| outage.from)),
            outage_until: stored(health.last_outage.map(|outage| outage.until)),
            probes_failed: health.probes_failed.into(),
            probe_holder: health.probe.as_ref().map(|probe| probe.holder.clone()),
            probe_until: stored(health.probe.as_ref().map(|probe| probe.until)),
            recent: crate::json::to_json(&health.recent),
            set_by: kept(&health.set_by),
            revision: i64::try_from(health.revision).unwrap_or(i64::MAX),
        }
    }

    /// What the row says, as far as it can be read; `None` if it names no purpose.
    pub(crate) fn read(self) -> Option<PurposeHealth> {
        let purpose: PurposeId = self
            .purpose
            .parse()
            .inspect_err(|error| {
                tracing::error!(purpose = %self.purpose, %error,
                    "a row of the ledger holds the health of what cannot be a purpose");
            })
            .ok()?;
        let mut lenient = Lenient::default();
        let state = lenient.value("state", HealthState::from_name(&self.state));
        let outage_from = lenient.instant("outage_from", self.outage_from);
        let outage_until = lenient.instant("outage_until", self.outage_until);
        let probe_until = lenient.instant("probe_until", self.probe_until);
        let recent = lenient.value("recent", serde_json::from_str(&self.recent).ok());
        let mut health = PurposeHealth {
            state: state.unwrap_or(HealthState::Healthy),
            since: lenient.instant("since", Some(self.since)).unwrap_or(Timestamp::UNIX_EPOCH),
            until: lenient.instant("until", self.until),
            recovering: self.recovering,
            cause: self.cause,
            last_error: self.last_error,
            calls_failed: self.calls_failed.max(0) as u64,
            first_failure: lenient.instant("first_failure", self.first_failure),
            last_success: lenient.instant("last_success", self.last_success),
            last_outage: outage_from.zip(outage_until).map(|(from, until)| Outage { from, until }),
            probes_failed: u32::try_from(self.probes_failed).unwrap_or_default(),
            probe: self
                .probe_holder
                .zip(probe_until)
                .map(|(holder, until)| ProbeLease { holder, until }),
            recent: recent.unwrap_or_default(),
            set_by: self.set_by,
            revision: self.revision.max(0) as u64,
            ..PurposeHealth::healthy(purpose)
        };
        if !lenient.unreadable.is_empty() {
            let columns = lenient.unreadable.join(", ");
            health.unreadable = Some(format!("cannot be read: {columns}"));
        }
        Some(health)
    }
}

fn kept(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting() -> PurposeHealth {
        PurposeHealth::healthy("posting".parse().expect("a purpose"))
    }

    #[test]
    fn what_was_slowed_until_an_instant_is_healthy_from_then_on() {
        let at = |second| Timestamp::from_second(second).expect("an instant");
        let slowed = PurposeHealth { state: HealthState::Slowed, until: Some(at(60)), ..posting() };
        assert_eq!(slowed.state_at(at(59)), HealthState::Slowed);
        assert_eq!(slowed.state_at(at(60)), HealthState::Healthy);
        assert!(slowed.holds_work(at(59)) && !slowed.holds_work(at(60)));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_read_as_far_as_it_can_be_and_says_so() {
        let paused = PurposeHealth { state: HealthState::Paused, revision: 3, ..posting() };
        let row = HealthRow {
            since: i64::MAX,
            until: Some(i64::MIN),
            recent: "[".into(),
            ..HealthRow::of(&paused)
        };
        let read = row.clone().read().expect("it names a purpose");
        assert_eq!((read.state, read.revision), (HealthState::Paused, 3));
        let told = read.unreadable.expect("it says so");
        assert!(["since", "until", "recent"].iter().all(|column| told.contains(column)), "{told}");
        assert_eq!(HealthRow { purpose: String::new(), ..row }.read(), None);
    }

    #[test]
    fn what_is_written_reads_back() {
        let at = Timestamp::MAX;
        let health = PurposeHealth {
            since: Timestamp::from_second(7).expect("an instant"),
            until: Some(Timestamp::from_microsecond(micros(at)).expect("in range")),
            recent: vec![EndedCalls { second: 5, ended: 20, faulted: 10 }],
            probe: Some(ProbeLease { holder: "a".into(), until: Timestamp::UNIX_EPOCH }),
            ..posting()
        };
        assert_eq!(HealthRow::of(&health).read(), Some(health));
    }
}
