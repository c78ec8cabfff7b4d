//! `cohort groups`: users with equal preferences, and how many they are.

use clap::Args;
use cohort_preferences::{FeatureType, GroupList, GroupSummary};
use serde_json::{Value, json};

use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::output::Output;
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
    /// Which feature
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
        let lines: Vec<Value> = groups.iter().map(|group| self.line(group)).collect();
        output.print_list(&lines, || self.text(&groups))
    }

    fn line(&self, summary: &GroupSummary) -> Value {
        let GroupSummary { group, count, since, .. } = summary;
        json!({
            "feature_type": self.feature, "frequency": group.frequency_text(),
            "time_key": group.time_key(), "timezone": group.timezone_text(),
            "count": count, "since": since,
        })
    }

    fn text(&self, groups: &[GroupSummary]) -> String {
        if groups.is_empty() {
            return format!("nobody has stated a preference for {}", self.feature);
        }
        table(["FREQUENCY", "TIME KEY", "TIMEZONE", "USERS", "SINCE"], &[3], groups.iter().map(row))
    }
}

fn row(GroupSummary { group, count, since, .. }: &GroupSummary) -> [String; 5] {
    [
        group.frequency_text().to_owned(),
        group.time_key().to_string(),
        group.timezone_text().to_owned(),
        count.to_string(),
        since.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    ]
}
