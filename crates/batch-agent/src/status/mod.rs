//! What somebody on call asks first: is all well, and if not, what is wrong and what to do (A4).
//!
//! ```text
//! ledger, agent ─► facts ─► findings: what is not well, worst first, each with a command
//!   (registry)               └► the sentence on top, and whether the command ends with 1
//! ```
//!
//! What is a finding is decided on values (`findings`), and in favour of saying it: nothing is
//! green while work is late, held or failing. `cohort status` and `cohort doctor` show the same
//! findings.

mod facts;
mod findings;
mod summary;
mod words;

use serde::Serialize;

pub(crate) use self::facts::{AGENT_IS_SILENT_AFTER, LATELY, RATE_OVER};
pub use self::facts::{AgentHere, AgentSeen, Facts, JobFacts, PurposeFacts};
pub use self::findings::{Finding, Severity};

/// What a status says.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    /// Whether nothing but notes was found.
    pub well: bool,
    /// The whole in one sentence.
    pub sentence: String,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// What it was found in.
    #[serde(flatten)]
    pub facts: Facts,
}

impl StatusReport {
    /// What these facts mean.
    pub(crate) fn of(facts: Facts) -> Self {
        let findings = findings::of(&facts);
        let well = findings.iter().all(|finding| finding.severity == Severity::Note);
        Self { well, sentence: summary::sentence(&facts, &findings), findings, facts }
    }
}
