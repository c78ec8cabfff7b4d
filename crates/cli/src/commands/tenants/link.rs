//! `cohort tenants link`: a link with which a user reaches their own preferences.

use axum::http::Method;
use clap::Args;
use cohort_preferences::TenantId;
use serde_json::{Value, json};

use super::tenant::path;
use crate::config::Environment;
use crate::duration::DurationText;
use crate::endpoint::{Access, EndpointArgs};
use crate::output::{Output, shown};

const EXAMPLE: &str = r#"Example:
  cohort tenants link user123 --expires-in 72h --data ./data

The token goes to standard output; it is sent as `Authorization: Bearer TOKEN`.
With --json it is a line {"token", "expires_at"}."#;

/// Make a link to a user's own preferences
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Link {
    /// Which user
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// For how long, such as 30m, 72h or 7d
    #[arg(long, value_name = "TIME")]
    expires_in: DurationText,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Link {
    pub(super) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        // A link is signed and not stored.
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let request = json!({"expires_in": self.expires_in.as_str()});
        let path = format!("{}/links", path(&self.tenant));
        let made: Value = endpoint.send_json(Method::POST, &path, &request).await?;
        output.print(&made, || shown(&made["token"]))?;
        if output == Output::Text {
            eprintln!("good until {}", shown(&made["expires_at"]));
        }
        Ok(())
    }
}
