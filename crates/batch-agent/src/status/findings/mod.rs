//! What is not well, decided on the facts and on nothing else.

use cohort_ledger::HealthState;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::facts::{AgentHere, Facts, JobFacts, PurposeFacts};
use super::words::{at, bytes, span, thousands, users};
use crate::condition::Part;

/// Work that is due for longer and not done is late.
const LATE_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Changes that are heard of later are a finding.
const FEED_IS_LATE_AFTER: f64 = 5.0;

/// For how long an agent that fell silent is a finding.
const SILENCE_TOLD: SignedDuration = SignedDuration::from_hours(1);

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, and no fault: the status is still well.
    Note,
    /// Users do not get what they asked for, or soon will not.
    Warning,
    /// Work stands still.
    Critical,
}

/// What was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Of which kind, for programs.
    pub kind: &'static str,
    /// What it is about, in a few words.
    pub subject: String,
    /// What was found, as a sentence.
    pub sentence: String,
    /// What shows more of it or mends it; null where no command does.
    pub command: Option<String>,
}

/// What is not well, worst first.
pub(super) fn of(facts: &Facts) -> Vec<Finding> {
    let mut findings = of_agents(facts);
    findings.extend(of_disk(facts));
    findings.extend(facts.purposes.iter().filter_map(|purpose| of_purpose(purpose, facts.at)));
    findings.extend(facts.jobs.iter().flat_map(|job| of_job(job, facts)));
    if facts.jobs.is_empty() && knows_jobs(facts) {
        findings.push(no_job());
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Whether the ledger could be asked which jobs there are.
fn knows_jobs(facts: &Facts) -> bool {
    let faults = facts.agent.iter().flat_map(|agent| &agent.faults);
    !faults.into_iter().any(|fault| fault.part == Part::Ledger)
}

fn of_agents(facts: &Facts) -> Vec<Finding> {
    let mut findings = match &facts.agent {
        Some(agent) => of_agent_here(agent),
        None => vec![Finding {
            severity: Severity::Critical,
            kind: "no_agent",
            subject: "no agent runs".into(),
            sentence: "No agent runs here: nothing is planned and nobody is called.".into(),
            command: Some("cohort up".into()),
        }],
    };
    let fell_silent = facts
        .agents
        .iter()
        .filter(|agent| agent.is_silent && facts.at.duration_since(agent.seen_at) <= SILENCE_TOLD);
    // Where no agent runs at all, that says it.
    let fell_silent = fell_silent.filter(|_| facts.agent.is_some());
    findings.extend(fell_silent.map(|agent| Finding {
        severity: Severity::Warning,
        kind: "agent_silent",
        subject: format!("agent {} is silent", agent.agent),
        sentence: format!(
            "Agent {} has not said for {} that it lives, and did not end in order: it died or \
             hangs. Others take over what it held.",
            agent.agent,
            span(facts.at.duration_since(agent.seen_at))
        ),
        command: Some("cohort runs".into()),
    }));
    findings.extend(of_versions(facts));
    findings
}

fn command_for(part: Part) -> &'static str {
    match part {
        Part::Recovery => "cohort recover --dry-run",
        _ => "cohort doctor",
    }
}

fn of_agent_here(agent: &AgentHere) -> Vec<Finding> {
    let mut findings: Vec<_> = agent
        .faults
        .iter()
        .map(|fault| Finding {
            severity: Severity::Critical,
            kind: "not_ready",
            subject: match fault.part {
                Part::Recovery => "the ledger was restored, and agents hold",
                Part::ConfigDatabase => "the Config Database cannot be followed",
                Part::Ledger => "the ledger cannot be written",
                Part::TimeZoneDatabase => "the time zone database is too old",
                Part::Planning => "planning fails",
                Part::Claiming => "work cannot be claimed",
                Part::Recording => "work cannot be recorded",
                Part::OwnSide => "the agent lacks what it needs of its machine",
            }
            .into(),
            sentence: capitalised(&format!("{}.", fault.to_string().trim_end_matches('?'))),
            command: Some(command_for(fault.part).into()),
        })
        .collect();
    let unaccounted = agent.completeness.map_or(0, |checked| checked.unaccounted);
    if unaccounted > 0 {
        findings.push(Finding {
            severity: Severity::Critical,
            kind: "unaccounted",
            subject: format!("{} occurrences are unaccounted for", thousands(unaccounted)),
            sentence: format!(
                "{} occurrences of the last 48 hours are nowhere on record, or open for too long.",
                thousands(unaccounted)
            ),
            command: Some("cohort doctor".into()),
        });
    }
    let is_unreadable = agent.faults.iter().any(|fault| fault.part == Part::ConfigDatabase);
    if agent.feed_lag_seconds > FEED_IS_LATE_AFTER && !is_unreadable {
        findings.push(Finding {
            severity: Severity::Warning,
            kind: "feed_late",
            subject: "changes are heard of late".into(),
            sentence: format!(
                "The last change of a preference was heard of {:.0} s late.",
                agent.feed_lag_seconds
            ),
            command: Some("cohort doctor".into()),
        });
    }
    findings
}

/// Agents that live with different releases of the time zone database do not plan at once (T11).
fn of_versions(facts: &Facts) -> Option<Finding> {
    let alive: Vec<_> = facts.agents.iter().filter(|agent| !agent.is_silent).collect();
    let newest = alive.iter().map(|agent| &agent.time_zone_database).max()?;
    let older = alive.iter().find(|agent| agent.time_zone_database != *newest)?;
    Some(Finding {
        severity: Severity::Warning,
        kind: "time_zone_databases",
        subject: "agents have different time zone databases".into(),
        sentence: format!(
            "Agent {} has the time zone database {}, another has {newest}: only those with the \
             newest in force plan.",
            older.agent, older.time_zone_database
        ),
        command: Some("cohort doctor".into()),
    })
}

/// A disk that is about to be full (F13).
fn of_disk(facts: &Facts) -> Option<Finding> {
    let disk = facts.storage?.disk.filter(|disk| disk.is_low())?;
    Some(Finding {
        severity: Severity::Warning,
        kind: "disk_low",
        subject: "the disk is filling".into(),
        sentence: format!(
            "Only {} of {} are free on the ledger's disk: make room before nothing can be written \
             any more.",
            bytes(disk.free_bytes),
            bytes(disk.total_bytes)
        ),
        command: Some("cohort doctor".into()),
    })
}

fn of_purpose(purpose: &PurposeFacts, now: Timestamp) -> Option<Finding> {
    let PurposeFacts { purpose_id: id, users_waiting, .. } = purpose;
    let since = purpose.since.map_or_else(|| "its start".to_owned(), |since| at(since, now));
    let waiting = match users_waiting {
        0 => "nobody waits for it".to_owned(),
        count => format!("{} for it", verb(*count, "waits", "wait")),
    };
    let said = purpose.last_error.as_ref().or(purpose.cause.as_ref());
    let said = said.map_or_else(String::new, |said| format!(" ({said})"));
    let if_waiting = |severity| if *users_waiting > 0 { severity } else { Severity::Note };
    let (severity, kind, subject, sentence, act) = match purpose.state {
        HealthState::Healthy => return None,
        HealthState::Failing => (
            Severity::Critical,
            "purpose_failing",
            format!("purpose {id} fails"),
            format!(
                "Purpose {id} fails since {since}{said}: {} calls have failed, {waiting}{}.",
                thousands(purpose.calls_failed),
                purpose.until.map_or_else(String::new, |until| {
                    format!(", and the next probe goes at {}", at(until, now))
                })
            ),
            "show",
        ),
        HealthState::Paused => (
            if_waiting(Severity::Warning),
            "purpose_paused",
            format!("purpose {id} is paused"),
            format!("Purpose {id} is paused since {since}{said}: {waiting}."),
            "resume",
        ),
        HealthState::Disabled => (
            Severity::Warning,
            "purpose_disabled",
            format!("purpose {id} is disabled"),
            format!("Purpose {id} is disabled since {since}{said}: its work is skipped."),
            "resume",
        ),
        HealthState::Slowed => (
            if_waiting(Severity::Warning),
            "purpose_slowed",
            format!("purpose {id} is slowed"),
            format!(
                "Purpose {id} is slowed{}{said}: {waiting}.",
                purpose
                    .until
                    .map_or_else(String::new, |until| format!(" until {}", at(until, now)))
            ),
            "show",
        ),
    };
    let command = Some(format!("cohort purpose {act} {id}"));
    Some(Finding { severity, kind, subject, sentence, command })
}

fn of_job(job: &JobFacts, facts: &Facts) -> Vec<Finding> {
    let id = &job.job_id;
    let mut findings = Vec::new();
    if job.is_served == Some(false) {
        findings.push(Finding {
            severity: Severity::Critical,
            kind: "job_not_served",
            subject: format!("job {id} is not served"),
            sentence: format!(
                "Job {id} is in force and this agent cannot serve it: it plans none of its runs."
            ),
            command: Some("cohort jobs".into()),
        });
    }
    findings.extend(late(job, facts));
    findings.extend(paused(job, facts.at));
    if job.missed_lately > 0 {
        findings.push(Finding {
            severity: Severity::Warning,
            kind: "missed",
            subject: format!("{} of {id} were missed", users(job.missed_lately)),
            sentence: format!(
                "Job {id} has missed {} in the last 24 hours.",
                users(job.missed_lately)
            ),
            command: Some(format!("cohort runs --job {id}")),
        });
    }
    if job.failed_lately > 0 {
        findings.push(Finding {
            severity: Severity::Warning,
            kind: "failed",
            subject: format!("{} of {id} failed", users(job.failed_lately)),
            sentence: format!(
                "The work of job {id} has failed for {} in the last 24 hours.",
                users(job.failed_lately)
            ),
            command: Some(format!("cohort outcomes --job {id} --status failed")),
        });
    }
    findings
}

fn late(job: &JobFacts, facts: &Facts) -> Option<Finding> {
    let late_by = job.late_by(facts.at);
    if job.runs_open == 0 || late_by < LATE_AFTER {
        return None;
    }
    let (id, since) = (&job.job_id, at(job.due_since?, facts.at));
    let waiting = match job.users_waiting {
        0 => "its members are not read yet".to_owned(),
        count => verb(count, "waits", "wait"),
    };
    let held_by = facts.purposes.iter().find(|purpose| {
        Some(&purpose.purpose_id) == job.purpose_id.as_ref()
            && purpose.state != HealthState::Healthy
    });
    let outlook = match (held_by, job.ends_at) {
        (Some(purpose), _) => {
            format!("purpose {} is {}", purpose.purpose_id, purpose.state.as_str())
        }
        (None, Some(ends_at)) => format!(
            "at {} a minute the last is done about {}",
            thousands(job.users_per_minute),
            at(ends_at, facts.at)
        ),
        (None, None) => "nothing has ended in the last two minutes".to_owned(),
    };
    let stands_still = held_by.is_none() && job.ends_at.is_none();
    Some(Finding {
        severity: if stands_still { Severity::Critical } else { Severity::Warning },
        kind: "late",
        subject: format!("job {id} is {} late", span(late_by)),
        sentence: format!(
            "Job {id} is {} late: {waiting}, the first since {since}; {outlook}.",
            span(late_by)
        ),
        command: Some(match held_by {
            Some(purpose) => format!("cohort purpose show {}", purpose.purpose_id),
            None => format!("cohort runs --job {id}"),
        }),
    })
}

/// A paused job is what an operator wanted, unless its work waits.
fn paused(job: &JobFacts, now: Timestamp) -> Option<Finding> {
    let (id, since) = (&job.job_id, job.paused_since?);
    let (severity, rest) = match job.runs_open {
        0 => (Severity::Note, "what falls due is skipped".to_owned()),
        runs => (Severity::Warning, format!("{} of its runs are still open", thousands(runs))),
    };
    Some(Finding {
        severity,
        kind: "job_paused",
        subject: format!("job {id} is paused"),
        sentence: format!("Job {id} is paused since {}: {rest}.", at(since, now)),
        command: Some(format!("cohort resume {id}")),
    })
}

fn no_job() -> Finding {
    Finding {
        severity: Severity::Note,
        kind: "no_job",
        subject: "there is no job".into(),
        sentence: "There is no job: preferences are kept, and nothing ever runs.".into(),
        command: Some("cohort apply batch.json".into()),
    }
}

fn verb(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", users(count), if count == 1 { one } else { many })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
