//! `cohort groups`: users with equal wishes, and how many they are.

use std::io::{self, Write};

use clap::Args;
use cohort_preferences::{FeatureType, GroupList, GroupSummary};
use serde_json::json;

use crate::commands::Output;
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort groups --feature instagram_posts --data ./data

With --json each group is a line {"feature_type", "frequency", "time_key", "timezone",
"count", "since"}."#;

/// List the groups of a feature with their users' count
///
/// A "-" stands for what the users of the group did not state: a job's defaults fill it.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Groups {
    /// Of which feature
    #[arg(long, value_name = "FEATURE")]
    feature: FeatureType,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Groups {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let path = format!("/features/{}/frequency-groups", self.feature);
        let list: GroupList = endpoint.get_json(&path).await?;
        let mut groups: Vec<GroupSummary> =
            list.groups.into_iter().filter(|group| group.count > 0).collect();
        groups.sort_by(|one, other| one.group.cmp(&other.group));
        let mut stdout = io::stdout().lock();
        match output {
            Output::Json => self.print_json(&mut stdout, &groups)?,
            Output::Text => self.print_text(&mut stdout, &groups)?,
        }
        Ok(())
    }

    fn print_json(&self, stdout: &mut impl Write, groups: &[GroupSummary]) -> io::Result<()> {
        for GroupSummary { group, count, since, .. } in groups {
            let line = json!({
                "feature_type": self.feature, "frequency": group.frequency_text(),
                "time_key": group.time_key(),
                "timezone": group.timezone_text(), "count": count, "since": since,
            });
            writeln!(stdout, "{line}")?;
        }
        Ok(())
    }

    fn print_text(&self, stdout: &mut impl Write, groups: &[GroupSummary]) -> io::Result<()> {
        if groups.is_empty() {
            return writeln!(stdout, "nobody has stated a preference for {}", self.feature);
        }
        let rows = groups.iter().map(|GroupSummary { group, count, since, .. }| {
            let (frequency, timezone) =
                (group.frequency_text().to_owned(), group.timezone_text().to_owned());
            let since = since.strftime("%Y-%m-%d %H:%M UTC").to_string();
            [frequency, group.time_key().to_string(), timezone, count.to_string(), since]
        });
        writeln!(
            stdout,
            "{}",
            table(["FREQUENCY", "TIME KEY", "TIMEZONE", "USERS", "SINCE"], &[3], rows)
        )
    }
}
