//! What the demo did, counted from the ledger and compared with the calendar.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::Context;
use cohort_batch_agent::{
    Counts, Ledger, OutcomeQuery, OutcomeRecord, Run, RunId, RunQuery, RunState, ScheduleView,
    StatusName,
};
use cohort_preferences::{FeatureType, Frequency, PreferenceGroup, TenantId};
use jiff::civil::Date;
use serde::Serialize;

use super::calendar::{Expected, Interval, Move};
use crate::table::table;

/// The demo's result, as `--json` prints it on its last line.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    users: usize,
    from: Date,
    to: Date,
    groups: Vec<ScheduledGroup>,
    runs: usize,
    outcomes: Totals,
    /// How many there should be, counted from the calendar.
    expected: usize,
    /// How many of these are not there.
    unaccounted: usize,
    moved_user: Option<MovedUser>,
    seconds: f64,
    #[serde(skip)]
    by_frequency: BTreeMap<Frequency, (usize, Counts)>,
    #[serde(skip)]
    unexpected: usize,
}

#[derive(Debug, Serialize)]
struct ScheduledGroup {
    feature_type: FeatureType,
    #[serde(flatten)]
    group: PreferenceGroup,
    members: u64,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Totals {
    succeeded: u64,
    failed: u64,
    skipped: u64,
    missed: u64,
}

#[derive(Debug, Serialize)]
struct MovedUser {
    tenant_id: TenantId,
    last_daily: Option<String>,
    first_weekly: Option<String>,
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
        let recorded: HashSet<_> = outcomes
            .iter()
            .filter_map(|outcome| Some((outcome.tenant_id.clone(), outcome.nominal.date()?)))
            .collect();
        let repeated = outcomes.len() - recorded.len();
        let mut by_frequency: BTreeMap<Frequency, (usize, Counts)> = BTreeMap::new();
        for run in runs.values() {
            let (number, counts) = by_frequency.entry(run.group.frequency()).or_default();
            *number += 1;
            add(counts, &run.counts);
        }
        let count =
            |status| outcomes.iter().filter(|outcome| outcome.status == status).count() as u64;
        Ok(Self {
            users: setting.users,
            from: setting.interval.first,
            to: setting.interval.last,
            groups: setting
                .schedules
                .into_iter()
                .filter(|view| view.members > 0)
                .map(ScheduledGroup::from)
                .collect(),
            runs: runs.len(),
            outcomes: Totals {
                succeeded: count(StatusName::Succeeded),
                failed: count(StatusName::Failed),
                skipped: count(StatusName::Skipped),
                missed: runs.values().map(|run| run.counts.missed).sum(),
            },
            expected: setting.expected.len(),
            unaccounted: setting.expected.difference(&recorded).count(),
            moved_user: setting.moved.map(|moved| MovedUser::of(moved, &outcomes, &runs)),
            seconds: (seconds * 1_000.0).round() / 1_000.0,
            by_frequency,
            unexpected: recorded.difference(&setting.expected).count() + repeated,
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

    /// The report for people.
    ///
    /// `program` is how this program was called, so that the commands it names can be copied.
    pub(super) fn print(&self, folder: &Path, program: &str) {
        println!(
            "Scenario 1: {} users from {} to {}, in simulated time.\n",
            grouped(self.users as u64),
            self.from,
            self.to
        );
        println!("{}\n", self.groups_table());
        println!("{}\n", self.runs_table());
        let Totals { succeeded, failed, skipped, missed } = &self.outcomes;
        let recorded = succeeded + failed + skipped + missed;
        println!(
            "Outcomes  {} recorded, {} expected by the calendar, {} unaccounted for",
            grouped(recorded),
            grouped(self.expected as u64),
            self.unaccounted
        );
        if let Some(MovedUser { tenant_id, last_daily, first_weekly }) = &self.moved_user {
            let none = || "none in these days".to_owned();
            println!("\nScenario 2: {tenant_id} moved from daily to weekly half way.");
            println!("  last daily run    {}", last_daily.clone().unwrap_or_else(none));
            println!("  first weekly run  {}", first_weekly.clone().unwrap_or_else(none));
        }
        println!(
            "\nDone in {:.1} s. Each text is in {}/{}; look further with",
            self.seconds,
            folder.display(),
            super::folder::BRIEFS
        );
        println!("  {program} outcomes --data {} --tenant user-0001", folder.display());
        println!("  {program} up --data {}", folder.display());
    }

    fn groups_table(&self) -> String {
        let mut by_preference: BTreeMap<(Frequency, String), Vec<&ScheduledGroup>> =
            BTreeMap::new();
        for group in &self.groups {
            by_preference
                .entry((group.group.frequency(), group.group.time_key().to_string()))
                .or_default()
                .push(group);
        }
        let rows = by_preference.into_iter().map(|((frequency, time_key), groups)| {
            let members: u64 = groups.iter().map(|group| group.members).sum();
            let zones: Vec<&str> =
                groups.iter().map(|group| group.group.timezone().name()).collect();
            [
                frequency.to_string(),
                time_key,
                grouped(members),
                zones.len().to_string(),
                format!("{}, …", zones[..zones.len().min(2)].join(", ")),
            ]
        });
        table(["FREQUENCY", "TIME KEY", "USERS", "SCHEDULES", "ZONES"], &[2, 3], rows)
    }

    fn runs_table(&self) -> String {
        let rows = self.by_frequency.iter().map(|(frequency, (runs, counts))| {
            let [succeeded, failed, skipped, missed] =
                [counts.succeeded, counts.failed, counts.skipped, counts.missed].map(grouped);
            [frequency.to_string(), runs.to_string(), succeeded, failed, skipped, missed]
        });
        table(
            ["FREQUENCY", "RUNS", "SUCCEEDED", "FAILED", "SKIPPED", "MISSED"],
            &[1, 2, 3, 4, 5],
            rows,
        )
    }
}

impl From<ScheduleView> for ScheduledGroup {
    fn from(view: ScheduleView) -> Self {
        Self { feature_type: view.feature_type, group: view.group, members: view.members }
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

/// A number with its thousands apart: `63,300`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let mut text = digits[..head].to_owned();
    for thousand in digits.as_bytes()[head..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(thousand.iter().map(|digit| char::from(*digit)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [0, 7, 999, 1_000, 63_300, 1_234_567].map(grouped),
            ["0", "7", "999", "1,000", "63,300", "1,234,567"]
        );
    }
}
