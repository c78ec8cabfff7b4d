//! The report of a demo, for people.

use std::collections::BTreeMap;
use std::path::Path;

use cohort_preferences::Frequency;

use super::folder::BRIEFS;
use super::report::{MovedUser, Report, ScheduledGroup, Totals};
use crate::table::table;

impl Report {
    /// Prints the report for people.
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
            BRIEFS
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

/// Returns a number with its thousands apart: `63,300`.
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
