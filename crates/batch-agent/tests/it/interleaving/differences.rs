//! What is not as it should be once everything is over.

use std::collections::{BTreeMap, BTreeSet};

use cohort_batch_agent::{
    OutcomeQuery, OutcomeRecord, ResultStatus, Run, RunId, RunState, StatusName,
};
use jiff::SignedDuration;

use super::fated::{Call, Event, locked};
use super::{AT_ONCE, Interleaving, SUCCEEDED, Verdict};
use crate::faulty_ledger::at_once;
use crate::simulation::expected;
use crate::stage::Stage;

/// The lease of a claim that is not renewed (F3).
const LEASE: SignedDuration = SignedDuration::from_secs(60);

impl Interleaving {
    /// What the record holds, for comparison with a later one.
    pub(crate) fn recorded(&self) -> Vec<OutcomeRecord> {
        let (outcomes, more) =
            at_once(self.ledger.outcomes(OutcomeQuery::default())).expect("outcomes");
        assert_eq!(more, None, "they fit into one page");
        outcomes
    }

    /// How many users were called again without having asked for it.
    pub(crate) fn repeats(&self) -> usize {
        let events = locked(&self.crowd.events);
        let mut last_calls = BTreeMap::new();
        calls(&events)
            .filter(|(_, call)| {
                last_calls
                    .insert((call.run, &call.tenant), *call)
                    .is_some_and(|earlier| !is_retry(earlier, call))
            })
            .count()
    }

    /// What is not as it should be, now that everything is over.
    pub(crate) fn differences(&self) -> Vec<String> {
        let (runs, outcomes) = (self.runs(), self.recorded());
        let mut differences = differences_of_record(&self.stage, &runs, &outcomes);
        differences.extend(self.differences_of_calls(&outcomes));
        differences
    }

    fn differences_of_calls(&self, outcomes: &[OutcomeRecord]) -> Vec<String> {
        let events = locked(&self.crowd.events);
        let mut differences = Vec::new();
        let mut last_calls: BTreeMap<(RunId, &str), (usize, &Call)> = BTreeMap::new();
        for (_, call) in calls(&events) {
            let Some(claim) = claim_of(&events, call) else {
                differences.push(format!("called without a claim: {call:?}"));
                continue;
            };
            if call.users > self.stage.job.chunk_size {
                differences.push(format!("too many users in a call: {call:?}"));
            }
            if call.in_flight > AT_ONCE {
                differences.push(format!("too many users at once (D3): {call:?}"));
            }
            if let Some((earlier_claim, earlier)) =
                last_calls.insert((call.run, &call.tenant), (claim, call))
                && !is_retry(earlier, call)
                && !self.has_passed_on(&events, earlier_claim.min(claim), earlier_claim.max(claim))
            {
                differences.push(format!(
                    "a repeat that nothing explains (D2): {earlier:?}, then {call:?}"
                ));
            }
        }
        let done: BTreeSet<_> = calls(&events)
            .filter(|(_, call)| call.answer == Some(SUCCEEDED))
            .map(|(_, call)| (call.run, &*call.tenant))
            .collect();
        let unearned = outcomes.iter().filter(|outcome| {
            outcome.status == StatusName::Succeeded
                && !done.contains(&(outcome.run_id, outcome.tenant_id.as_str()))
        });
        differences.extend(
            unearned.map(|outcome| format!("recorded as done, and it was not: {outcome:?}")),
        );
        differences
    }

    /// Whether a claim was over when another was made: its life had ended, or its lease had run
    /// out.
    fn has_passed_on(&self, events: &[Event], claim: usize, next: usize) -> bool {
        let (Event::Claimed { life, at, .. }, Event::Claimed { at: next_at, .. }) =
            (&events[claim], &events[next])
        else {
            return false;
        };
        let has_ended = self.lives[*life].ended.is_some_and(|ended| ended <= next);
        claim < next && (has_ended || next_at.duration_since(*at) >= LEASE)
    }
}

/// Each attempt but the first follows an answer that asked for it (D4).
fn is_retry(earlier: &Call, call: &Call) -> bool {
    let asked_for = matches!(
        earlier.answer,
        Some(Verdict::Refused | Verdict::Answered(ResultStatus::Retry, _))
    );
    asked_for && call.attempt == earlier.attempt + 1
}

fn calls(events: &[Event]) -> impl Iterator<Item = (usize, &Call)> {
    events.iter().enumerate().filter_map(|(at, event)| match event {
        Event::Called(call) => Some((at, call)),
        Event::Claimed { .. } => None,
    })
}

/// The claim under which a call was made.
fn claim_of(events: &[Event], call: &Call) -> Option<usize> {
    // The source counts its users from 1.
    let number: u64 = call.tenant[1..].parse::<u64>().expect("a user of the stage") + 1;
    let is_of_call = |event: &Event| match event {
        Event::Claimed { life, chunk, .. } => {
            *life == call.life
                && chunk.run == call.run
                && chunk.open.iter().any(|member| member.number == number)
        }
        Event::Called(_) => false,
    };
    events[..call.made].iter().rposition(is_of_call)
}

fn differences_of_record(stage: &Stage, runs: &[Run], outcomes: &[OutcomeRecord]) -> Vec<String> {
    let mut differences = Vec::new();
    let name = |outcome: &OutcomeRecord| {
        (outcome.tenant_id.to_string(), outcome.nominal.to_string(), outcome.timezone.clone())
    };
    let (got, expected): (BTreeSet<_>, _) = (outcomes.iter().map(name).collect(), expected(stage));
    differences
        .extend(expected.difference(&got).map(|lacking| format!("lacking (D2): {lacking:?}")));
    differences.extend(got.difference(&expected).map(|strange| format!("strange: {strange:?}")));
    if got.len() != outcomes.len() {
        differences.push(format!("{} outcomes of {} (D2)", outcomes.len(), got.len()));
    }
    let ran: Vec<_> = outcomes
        .iter()
        .filter(|o| o.status != StatusName::Skipped)
        .map(|o| (&o.tenant_id, o.nominal.date()))
        .collect();
    if ran.iter().collect::<BTreeSet<_>>().len() != ran.len() {
        differences.push("somebody ran twice on one date (M6)".into());
    }
    let mut chunks: BTreeMap<i64, usize> = BTreeMap::new();
    for outcome in outcomes {
        *chunks.entry(outcome.chunk).or_default() += 1;
    }
    if chunks.values().any(|users| *users > stage.job.chunk_size) {
        differences.push(format!("a chunk is too large (D3): {chunks:?}"));
    }
    for run in runs {
        let rows = |status| {
            outcomes
                .iter()
                .filter(|outcome| outcome.run_id == run.id && outcome.status == status)
                .count() as u64
        };
        let (counts, of_rows) = (
            run.counts,
            [StatusName::Succeeded, StatusName::Failed, StatusName::Skipped].map(rows),
        );
        let is_counted = [counts.succeeded, counts.failed, counts.skipped] == of_rows
            && counts.members == of_rows.iter().sum::<u64>();
        if !is_counted || run.state != RunState::Closed || run.counts.missed > 0 {
            differences.push(format!(
                "counters differ from the rows, or it is not closed: {of_rows:?} {run:?}"
            ));
        }
    }
    differences
}
