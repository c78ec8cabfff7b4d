//! `cohort tenants erase`: a user is forgotten (W8).

use clap::Args;
use cohort_preferences::TenantId;

use super::tenant::path;
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::failure::wrong_input;
use crate::output::{Output, shown};

const EXAMPLE: &str = r#"Example:
  cohort tenants erase user123 --yes --data ./data

With --json the receipt is a line {"number", "erased_at", "preferences", "history_entries"}."#;

/// Erase a user: preferences, history and name; counts stay
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Erase {
    /// Which user
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// Really: nothing brings it back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Erase {
    pub(super) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        if !self.yes {
            let tenant = self.tenant.as_str();
            let text = format!("nothing brings {tenant:?} back once erased; --yes does it");
            return Err(wrong_input(text));
        }
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        let receipt = endpoint.delete(&path(&self.tenant)).await?;
        let text = |field: &str| shown(&receipt[field]);
        output.print(&receipt, || {
            format!(
                "erased at {}: {} preferences, {} entries of the history; the number {} stands \
                 where the name stood",
                text("erased_at"),
                text("preferences"),
                text("history_entries"),
                text("number"),
            )
        })
    }
}
