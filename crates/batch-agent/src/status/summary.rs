//! The sentence on top of a status.

use super::facts::Facts;
use super::findings::{Finding, Severity};
use super::words::at;

/// How many findings the sentence on top names.
const NAMED: usize = 3;

/// The whole in one sentence.
pub(super) fn sentence(facts: &Facts, findings: &[Finding]) -> String {
    let wrong: Vec<_> =
        findings.iter().filter(|finding| finding.severity > Severity::Note).collect();
    if wrong.is_empty() {
        return format!("All is well{}.", next_run(facts));
    }
    let named = wrong.iter().take(NAMED).map(|finding| finding.subject.as_str());
    let named = named.collect::<Vec<_>>().join("; ");
    match wrong.len().saturating_sub(NAMED) {
        0 => format!("Not well: {named}."),
        more => format!("Not well: {named}; and {more} more."),
    }
}

fn next_run(facts: &Facts) -> String {
    let next = facts.jobs.iter().filter_map(|job| Some((job.next_run.as_ref()?, &job.job_id)));
    next.min_by_key(|(run, _)| run.at).map_or_else(String::new, |(run, job)| {
        format!(": {job} runs next, at {}", at(run.at, facts.at))
    })
}
