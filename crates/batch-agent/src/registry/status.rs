//! How everything stands (A4): the facts are gathered here, and mean what `status` says.
//!
//! Whatever cannot be asked is left out and becomes a fault of the agent: a status is wanted most
//! when something does not answer. Each database is given a few seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use cohort_database::DiskUsage;
use cohort_ledger::{HealthState, JobWork, LedgerError, PurposeHealth, StoredDefinitions};
use cohort_preferences::{Job, JobId, PurposeId, time_zone_database_version};
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::view::in_force;
use super::{JobRegistry, RegistryError};
use crate::clock::saturating_add;
use crate::condition::{Fault, Part, in_plain_words};
use crate::jobs::read_job;
use crate::status::{
    AGENT_IS_SILENT_AFTER, AgentHere, AgentSeen, Facts, JobFacts, LATELY, PurposeFacts, RATE_OVER,
    StatusReport,
};

/// How long the ledger may take to say how it stands.
const LONGEST_READ: Duration = Duration::from_secs(3);

/// What the ledger says.
#[derive(Default)]
struct OfLedger {
    stored: StoredDefinitions,
    work: BTreeMap<JobId, JobWork>,
    health: Vec<PurposeHealth>,
    agents: Vec<AgentSeen>,
    storage: Option<DiskUsage>,
}

impl JobRegistry {
    /// Returns how everything stands now, as far as it can be asked.
    ///
    /// # Errors
    /// If there is no agent here and the ledger cannot be read: then there is nothing to tell.
    pub async fn status(&self) -> Result<StatusReport, RegistryError> {
        let at = self.clock.now();
        let mut agent = self.agent_here().await;
        let of_ledger = match &mut agent {
            Some(agent) => self.ask_ledger(at, agent).await,
            None => Some(self.of_ledger(at).await?),
        };
        let jobs = of_ledger.as_ref().map(|told| self.job_facts(told, at)).unwrap_or_default();
        let of_ledger = of_ledger.unwrap_or_default();
        let purposes = purpose_facts(of_ledger.health, &jobs, at);
        Ok(StatusReport::of(Facts {
            at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_zone_database: time_zone_database_version().to_owned(),
            jobs,
            purposes,
            agents: of_ledger.agents,
            agent,
            storage: of_ledger.storage,
        }))
    }

    async fn agent_here(&self) -> Option<AgentHere> {
        let agent = self.agent.as_ref()?;
        let shared = agent.shared();
        Some(AgentHere {
            faults: shared.faults().await,
            feed_lag_seconds: shared.feed.lag().as_secs_f64(),
            calls_in_flight: agent.calls_in_flight(),
            completeness: shared.condition.checked(),
        })
    }

    /// Asks the ledger, also one that cannot be written: it may still be read. What keeps it from
    /// answering is a fault of the agent, unless one is known.
    async fn ask_ledger(&self, at: Timestamp, agent: &mut AgentHere) -> Option<OfLedger> {
        let cause = match timeout(LONGEST_READ, self.of_ledger(at)).await {
            Ok(Ok(told)) => return Some(told),
            Ok(Err(error)) => in_plain_words(&error),
            Err(_elapsed) => format!("it has not answered within {} s", LONGEST_READ.as_secs()),
        };
        if agent.faults.iter().all(|fault| fault.part != Part::Ledger) {
            agent.faults.push(Fault { part: Part::Ledger, cause });
        }
        None
    }

    async fn of_ledger(&self, at: Timestamp) -> Result<OfLedger, LedgerError> {
        let (ended_since, trouble_since) =
            (saturating_add(at, -RATE_OVER), saturating_add(at, -LATELY));
        let seen = |sign: cohort_ledger::AgentSign| AgentSeen {
            is_silent: at.duration_since(sign.renewed_at) > AGENT_IS_SILENT_AFTER,
            agent: sign.agent,
            version: sign.version,
            time_zone_database: sign.tzdb.to_string(),
            seen_at: sign.renewed_at,
        };
        Ok(OfLedger {
            stored: self.ledger.definitions().await?,
            work: self.ledger.job_work(ended_since, trouble_since).await?,
            health: self.ledger.purpose_health().await?,
            agents: self.ledger.agents().await?.into_iter().map(seen).collect(),
            storage: Some(self.ledger.disk_usage().await?),
        })
    }

    /// The jobs that are in force, and those with work.
    fn job_facts(&self, of_ledger: &OfLedger, now: Timestamp) -> Vec<JobFacts> {
        let mut work = of_ledger.work.clone();
        let mut jobs: BTreeMap<JobId, Option<PurposeId>> =
            work.keys().map(|job| (job.clone(), None)).collect();
        jobs.extend(self.purposes_of_jobs(&of_ledger.stored));
        let facts = |(job, purpose): (JobId, Option<PurposeId>)| {
            let pause = of_ledger.stored.pauses.get(&job).filter(|pause| pause.lasts());
            let paused_since = pause.map(|pause| pause.from);
            let work = work.remove(&job).unwrap_or_default();
            let is_in_force = purpose.is_some();
            let facts = self.work_facts(job, &work, now);
            let is_served = facts.is_served.filter(|_| is_in_force);
            JobFacts { purpose_id: purpose, paused_since, is_served, ..facts }
        };
        jobs.into_iter().map(facts).collect()
    }

    /// Each job in force with its purpose: those stored, and those that the agent brings along.
    fn purposes_of_jobs(&self, stored: &StoredDefinitions) -> Vec<(JobId, Option<PurposeId>)> {
        let documents = in_force(&stored.latest, cohort_ledger::DefinitionKind::Job);
        let of_ledger = documents.filter_map(|(definition, document)| {
            let purpose = read_job(&document).ok().map(|job: Job| job.purpose_id);
            Some((definition.name.parse().ok()?, purpose))
        });
        let mut jobs: Vec<_> = of_ledger.collect();
        if let Some(agent) = &self.agent {
            let set = agent.jobs().in_force();
            let planned = set.planned();
            jobs.extend(
                planned.map(|planned| {
                    (planned.job.job_id.clone(), Some(planned.job.purpose_id.clone()))
                }),
            );
        }
        jobs
    }

    /// What a job has to do, with what only an agent knows of it.
    fn work_facts(&self, job: JobId, work: &JobWork, now: Timestamp) -> JobFacts {
        let outlook = self.agent.as_ref().and_then(|agent| agent.schedules().outlook(&job));
        let users_waiting = work.users_open + self.unread(&job, work);
        let minutes = RATE_OVER.as_secs_f64() / 60.0;
        JobFacts {
            purpose_id: None,
            paused_since: None,
            is_served: self
                .agent
                .as_ref()
                .map(|agent| agent.jobs().in_force().find_planned(&job).is_some()),
            runs_open: work.runs_open,
            users_waiting,
            due_since: work.due_since,
            users_per_minute: (work.ended as f64 / minutes).round() as u64,
            ends_at: ends_at(users_waiting, work.ended, now),
            failed_lately: work.failed,
            missed_lately: work.missed,
            next_run: outlook.and_then(|outlook| outlook.next_run),
            job_id: job,
        }
    }

    /// How many members of open runs are still to be read, by the sizes that their groups have now.
    fn unread(&self, job: &JobId, work: &JobWork) -> u64 {
        let Some(agent) = self.agent.as_ref().filter(|_| !work.reading.is_empty()) else {
            return 0;
        };
        let sizes = agent.schedules().sizes(job);
        let unread = work.reading.iter().map(|reading| {
            sizes.get(&reading.group).copied().unwrap_or_default().saturating_sub(reading.read)
        });
        unread.sum()
    }
}

/// When the last who waits is done, at the rate of the last minutes.
fn ends_at(waiting: u64, ended: u64, now: Timestamp) -> Option<Timestamp> {
    if waiting == 0 || ended == 0 {
        return None;
    }
    let seconds = waiting as f64 / ended as f64 * RATE_OVER.as_secs_f64();
    Some(saturating_add(now, SignedDuration::try_from_secs_f64(seconds).ok()?))
}

/// The purposes that jobs in force name, and those that are not healthy.
fn purpose_facts(
    health: Vec<PurposeHealth>,
    jobs: &[JobFacts],
    now: Timestamp,
) -> Vec<PurposeFacts> {
    let mut purposes: BTreeMap<PurposeId, PurposeHealth> = jobs
        .iter()
        .filter_map(|job| job.purpose_id.clone())
        .map(|purpose| (purpose.clone(), PurposeHealth::healthy(purpose)))
        .collect();
    for health in health {
        if purposes.contains_key(&health.purpose) || health.state_at(now) != HealthState::Healthy {
            purposes.insert(health.purpose.clone(), health);
        }
    }
    let facts = |health: PurposeHealth| {
        let of_purpose = jobs.iter().filter(|job| job.purpose_id.as_ref() == Some(&health.purpose));
        PurposeFacts {
            users_waiting: of_purpose.map(|job| job.users_waiting).sum(),
            state: health.state_at(now),
            since: Some(health.since).filter(|since| *since != Timestamp::UNIX_EPOCH),
            until: health.until,
            cause: health.cause,
            last_error: health.last_error,
            calls_failed: health.calls_failed,
            purpose_id: health.purpose,
        }
    };
    purposes.into_values().map(facts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_from_the_rate_of_the_last_two_minutes() {
        let now: Timestamp = "2026-12-07T09:00:00Z".parse().expect("an instant");
        let told = ends_at(600, 100, now).map(|at| at.duration_since(now).as_secs());
        assert_eq!(told, Some(720));
        assert_eq!((ends_at(600, 0, now), ends_at(0, 100, now)), (None, None));
    }
}
