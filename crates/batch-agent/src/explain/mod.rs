//! "Why did this user get nothing on Monday?" (A3): the ordered trace for a job, a user and a
//! moment, and one answer.
//!
//! ```text
//! moment ─► facts: job's versions, user's history and defaults, place in a run
//!             │ timeline: which group the user was in, when
//!             │ choose: which occurrence is meant
//!             ▼
//!           trace: job ─► preference ─► … ─► outcome  (steps, one a file)
//!             ▼
//!           explanation: the answer, of a closed set, in one sentence
//! ```
//!
//! `facts` asks and decides nothing; everything else is a function over values. The record is
//! stronger than the reasoning: where the ledger has a place for the user, its word is the answer,
//! and only where it has none is it worked out why.
//!
//! If the Config Database or the ledger fails, there is no explanation. Nothing is said about users
//! who were erased (W8): they count as if they had never existed. Defaults that a feature had more
//! than a week ago are not known.

mod answer;
mod case;
mod choose;
mod explanation;
mod facts;
mod moment;
mod named_day;
mod step;
mod steps;
mod timeline;
mod trace;
mod words;

use std::collections::BTreeSet;

use cohort_ledger::DefinitionKind;
use cohort_preferences::{JobId, TenantId};

pub use self::answer::Answer;
pub use self::explanation::{Explanation, RunByHand};
use self::facts::{Facts, Question};
pub use self::moment::{Moment, MomentError};
pub use self::named_day::NamedDay;
pub use self::step::{Step, StepName};
use crate::evidence::{Evidence, EvidenceError};

/// Says why a job did a user's work or did not; cheap to clone.
#[derive(Clone)]
pub struct Explainer {
    evidence: Evidence,
}

impl Explainer {
    /// Explains what the evidence says. Without the jobs of an agent, only what stands in the
    /// ledger is explained.
    pub fn new(evidence: Evidence) -> Self {
        Self { evidence }
    }

    /// Explains why a job did a user's work at a moment, or did not.
    pub async fn explain(
        &self,
        tenant: &TenantId,
        job: &JobId,
        asked: Moment,
    ) -> Result<Explanation, EvidenceError> {
        let question = Question {
            tenant_id: tenant.clone(),
            job_id: job.clone(),
            asked,
            now: self.evidence.clock.now(),
        };
        let facts = Facts::gather(&self.evidence, question).await?;
        Ok(Explanation::of(facts)?)
    }

    /// Explains a moment for each job that has to do with the user then, by name; if none has, for
    /// each job that there is.
    pub async fn explain_jobs(
        &self,
        tenant: &TenantId,
        asked: Moment,
    ) -> Result<Vec<Explanation>, EvidenceError> {
        let mut all = Vec::new();
        for job in self.jobs().await? {
            all.push(self.explain(tenant, &job, asked).await?);
        }
        let concerns = |explanation: &Explanation| explanation.answer.concerns_user();
        if all.iter().any(concerns) {
            all.retain(concerns);
        }
        Ok(all)
    }

    /// Every job that there is or was, by name.
    async fn jobs(&self) -> Result<BTreeSet<JobId>, EvidenceError> {
        let stored = self.evidence.ledger.definitions().await?;
        let stored =
            stored.latest.iter().filter(|definition| definition.kind == DefinitionKind::Job);
        let mut jobs: BTreeSet<JobId> =
            stored.filter_map(|definition| definition.name.parse().ok()).collect();
        if let Some(own) = &self.evidence.jobs {
            jobs.extend(own.in_force().planned().map(|job| job.job.job_id.clone()));
        }
        Ok(jobs)
    }
}
