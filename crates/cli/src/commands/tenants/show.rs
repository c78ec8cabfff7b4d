//! `cohort tenants show`: one user, with preferences.

use clap::Args;
use cohort_preferences::{FEATURE_PREFERENCES, TenantId};
use serde_json::{Value, json};

use super::tenant::{labels, path};
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::output::{Output, shown};

const EXAMPLE: &str = r#"Example:
  cohort tenants show user123 --data ./data

With --json it is a line {"tenant_id", "created_at", "timezone", "labels", "preferences"}."#;

/// Show a user's timezone, labels and preferences
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Show {
    /// Which user
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Show {
    pub(super) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let path = path(&self.tenant);
        let mut tenant: Value = endpoint.get_json(&path).await?;
        let document: Option<Value> =
            endpoint.find_json(&format!("{path}/configs/{FEATURE_PREFERENCES}")).await?;
        tenant["preferences"] =
            document.map_or_else(|| json!({}), |document| document["config_value"].clone());
        output.print(&tenant, || in_words(&tenant))
    }
}

fn in_words(tenant: &Value) -> String {
    let text = |field: &str| shown(&tenant[field]);
    let head = format!(
        "{}, since {}, timezone {}, labels {}",
        text("tenant_id"),
        text("created_at"),
        text("timezone"),
        labels(&tenant["labels"])
    );
    let preferences = tenant["preferences"].as_object().into_iter().flatten();
    let preferences = preferences.map(|(feature, preference)| format!("{feature}: {preference}"));
    std::iter::once(head).chain(preferences).collect::<Vec<_>>().join("\n")
}
