//! What the demo did, counted from the ledger and compared with the calendar.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use cohort_batch_agent::{
    Counts, Ledger, OutcomeQuery, OutcomeRecord, Run, RunId, RunQuery, RunState, ScheduleView,
    StatusName,
};
use cohort_preferences::{FeatureType, Frequency, PreferenceGroup, TenantId};
use jiff::civil::Date;
use serde::Serialize;

use super::calendar::{Expected, Interval, Move};
/// The demo's result, as `--json` prints it on its last line.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) users: usize,
    pub(super) from: Date,
    pub(super) to: Date,
    pub(super) groups: Vec<ScheduledGroup>,
    runs: usize,
    pub(super) outcomes: Totals,
    /// How many there should be, counted from the calendar.
    pub(super) expected: usize,
    /// How many of these are not there.
    pub(super) unaccounted: usize,
    pub(super) moved_user: Option<MovedUser>,
    pub(super) seconds: f64,
    #[serde(skip)]
    pub(super) by_frequency: BTreeMap<Frequency, (usize, Counts)>,
    #[serde(skip)]
    unexpected: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct ScheduledGroup {
    feature_type: FeatureType,
    #[serde(flatten)]
    pub(super) group: PreferenceGroup,
    pub(super) members: u64,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Totals {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
    pub(super) missed: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct MovedUser {
    pub(super) tenant_id: TenantId,
    pub(super) last_daily: Option<String>,
    pub(super) first_weekly: Option<String>,
}

/// What the report is made of besides the ledger.
pub(super) struct Setting<'a> {
    pub(super) users: usize,
    pub(super) interval: Interval,
    pub(super) expected: Expected,
    pub(super) moved: Option<Move>,
    pub(super) schedules: Vec<ScheduleView>,
    pub(super) ledger: &'a dyn Ledger,
}

impl Report {
    /// Counts everything; `seconds` is what the demo took.
    pub(super) async fn of(setting: Setting<'_>, seconds: f64) -> anyhow::Result<Self> {
        let runs = all_runs(setting.ledger).await.context("cannot read the runs")?;
        let outcomes = all_outcomes(setting.ledger).await.context("cannot read the outcomes")?;
        anyhow::ensure!(
            runs.values().all(|run| run.state == RunState::Closed),
            "a run is still open"
        );
        let recorded: Expected = outcomes
            .iter()
            .filter_map(|outcome| Some((outcome.tenant_id.clone(), outcome.nominal.date()?)))
            .collect();
        let repeated = outcomes.len() - recorded.len();
        let Setting { users, interval, expected, moved, schedules, .. } = setting;
        let scheduled = schedules.into_iter().filter(|view| view.members > 0);
        Ok(Self {
            users,
            from: interval.first,
            to: interval.last,
            groups: scheduled.map(ScheduledGroup::from).collect(),
            runs: runs.len(),
            outcomes: Totals::of(&outcomes, &runs),
            expected: expected.len(),
            unaccounted: expected.difference(&recorded).count(),
            moved_user: moved.map(|moved| MovedUser::of(moved, &outcomes, &runs)),
            seconds: (seconds * 1_000.0).round() / 1_000.0,
            by_frequency: by_frequency(&runs),
            unexpected: recorded.difference(&expected).count() + repeated,
        })
    }

    /// Fails if what is recorded is not what the calendar asks for.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Self { unaccounted, unexpected, .. } = self;
        anyhow::ensure!(
            *unaccounted == 0 && *unexpected == 0,
            "{unaccounted} outcomes are missing and {unexpected} should not be there"
        );
        Ok(())
    }
}

impl From<ScheduleView> for ScheduledGroup {
    fn from(view: ScheduleView) -> Self {
        Self { feature_type: view.feature_type, group: view.group, members: view.members }
    }
}

impl Totals {
    fn of(outcomes: &[OutcomeRecord], runs: &HashMap<RunId, Run>) -> Self {
        let count =
            |status| outcomes.iter().filter(|outcome| outcome.status == status).count() as u64;
        Self {
            succeeded: count(StatusName::Succeeded),
            failed: count(StatusName::Failed),
            skipped: count(StatusName::Skipped),
            missed: runs.values().map(|run| run.counts.missed).sum(),
        }
    }
}

impl MovedUser {
    fn of(moved: Move, outcomes: &[OutcomeRecord], runs: &HashMap<RunId, Run>) -> Self {
        let mut nominals: BTreeMap<Frequency, Vec<String>> = BTreeMap::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.tenant_id == moved.tenant_id) {
            nominals
                .entry(runs[&outcome.run_id].group.frequency())
                .or_default()
                .push(outcome.nominal.to_string());
        }
        let of = |frequency| nominals.get(&frequency).into_iter().flatten();
        let (last_daily, first_weekly) =
            (of(Frequency::Daily).max().cloned(), of(Frequency::Weekly).min().cloned());
        Self { tenant_id: moved.tenant_id, last_daily, first_weekly }
    }
}

/// Returns how many runs each frequency had, and their counts together.
fn by_frequency(runs: &HashMap<RunId, Run>) -> BTreeMap<Frequency, (usize, Counts)> {
    let mut by_frequency: BTreeMap<Frequency, (usize, Counts)> = BTreeMap::new();
    for run in runs.values() {
        let (number, counts) = by_frequency.entry(run.group.frequency()).or_default();
        *number += 1;
        add(counts, &run.counts);
    }
    by_frequency
}

fn add(total: &mut Counts, counts: &Counts) {
    total.members += counts.members;
    total.succeeded += counts.succeeded;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    total.missed += counts.missed;
}

async fn all_runs(ledger: &dyn Ledger) -> anyhow::Result<HashMap<RunId, Run>> {
    let mut all = HashMap::new();
    let mut before = None;
    loop {
        let page = ledger.runs(RunQuery { before, ..RunQuery::default() }).await?;
        let Some(last) = page.last() else { return Ok(all) };
        before = Some(last.id);
        all.extend(page.into_iter().map(|run| (run.id, run)));
    }
}

async fn all_outcomes(ledger: &dyn Ledger) -> anyhow::Result<Vec<OutcomeRecord>> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let (page, next) =
            ledger.outcomes(OutcomeQuery { cursor, ..OutcomeQuery::default() }).await?;
        all.extend(page);
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
}
