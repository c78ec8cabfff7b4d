//! `cohort tenants history`: what was changed for a user, and by whom.

use clap::Args;
use cohort_preferences::{FeatureType, TenantId};
use serde_json::Value;

use super::paged_table::{PAGE, print_pages};
use super::tenant::path;
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, List as PagedList, Pages};
use crate::output::{Output, shown};

const EXAMPLE: &str = r#"Example:
  cohort tenants history user123 --feature instagram_posts --data ./data

With --json each change is a line {"change", "at", "actor", "feature_type", "version", "before",
"after", "definition_version"}, newest first, all of them unless --limit is given."#;

/// List a user's changes, newest first
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct History {
    /// Which user
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// Only changes of the preference for this feature
    #[arg(long, value_name = "FEATURE")]
    feature: Option<FeatureType>,
    /// At most this many [default: 50, with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl History {
    pub(super) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let parameters = vec![("feature_type", self.feature.as_ref().map(ToString::to_string))];
        let pages = Pages {
            endpoint: &endpoint,
            list: PagedList::by_cursor("history", PAGE),
            path: format!("{}/history", path(&self.tenant)),
            parameters,
        };
        let row = |entry: &Value| {
            let what = if entry["feature_type"].is_null() {
                "timezone and labels".into()
            } else {
                shown(&entry["feature_type"])
            };
            [
                shown(&entry["at"]),
                shown(&entry["actor"]),
                what,
                shown(&entry["version"]),
                shown(&entry["after"]),
            ]
        };
        let headings = ["AT", "BY", "WHAT", "VERSION", "THEN"];
        print_pages(&pages, output, self.limit, headings, row).await
    }
}
