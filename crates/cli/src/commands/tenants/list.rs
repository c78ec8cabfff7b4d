//! `cohort tenants list`: the users.

use clap::Args;
use serde_json::Value;

use super::paged_table::{PAGE, print_pages};
use super::tenant::labels;
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, List as PagedList, Pages};
use crate::output::{Output, shown};

const EXAMPLE: &str = r#"Example:
  cohort tenants list --label plan:pro --data ./data

With --json each user is a line {"tenant_id", "created_at", "timezone", "labels"}, all of them
unless --limit is given."#;

/// List users
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct List {
    /// Only users whose id begins with this
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Only users with this label
    #[arg(long, value_name = "NAME:VALUE")]
    label: Option<String>,
    /// Only users who were there at this instant
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// At most this many [default: 50, with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl List {
    pub(super) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let parameters = vec![
            ("q", self.q.clone()),
            ("label", self.label.clone()),
            ("as_of", self.as_of.clone()),
        ];
        let list = PagedList::by_cursor("tenants", PAGE);
        let pages = Pages { endpoint: &endpoint, list, path: "/tenants".into(), parameters };
        let row = |tenant: &Value| {
            [
                shown(&tenant["tenant_id"]),
                shown(&tenant["created_at"]),
                shown(&tenant["timezone"]),
                labels(&tenant["labels"]),
            ]
        };
        let headings = ["TENANT", "SINCE", "TIMEZONE", "LABELS"];
        print_pages(&pages, output, self.limit, headings, row).await
    }
}
