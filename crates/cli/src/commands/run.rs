//! `cohort run show`: one run, and every attempt in it.

use std::io::{self, BufWriter, Write};

use clap::{Args, Subcommand};
use cohort_preferences::TenantId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::commands::{Output, print_line, shown};
use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs, query};
use crate::table::table;

pub(super) const EXAMPLE: &str = "Example:
  cohort run show 17 --data ./data
  cohort run show 17 --tenant ann --data ./data";

const SHOW_EXAMPLE: &str = r#"Example:
  cohort run show 17 --data ./data
  cohort run show 17 --tenant ann --data ./data

With --json the first line is {"run"} as of `cohort runs`, and each attempt a line {"attempt": {"run_id", "tenant_id",
"attempt", "at", "status", "error"}}; its status is succeeded, failed, or retried."#;

/// How many attempts the table shows.
const ROWS: usize = 50;

/// The most attempts of a page.
const PAGE: usize = 5_000;

/// Look at one run
#[derive(Subcommand)]
pub(crate) enum Run {
    Show(Show),
}

/// Show a run, and every attempt in it
#[derive(Args)]
#[command(after_help = SHOW_EXAMPLE)]
pub(crate) struct Show {
    /// Which run; `cohort runs` lists them
    #[arg(value_name = "RUN")]
    run: i64,
    /// Only attempts for this user
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Deserialize)]
struct AttemptPage {
    attempts: Vec<Value>,
    next_cursor: Option<String>,
}

impl Run {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let Self::Show(show) = self;
        let endpoint = show.endpoint.connect_to_agent(environment, Access::Look).await?;
        let run: Value = endpoint.get_json(&format!("/runs/{}", show.run)).await?;
        match output {
            Output::Json => show.print_lines(&endpoint, &run).await,
            Output::Text => show.print_tables(&endpoint, &run).await,
        }
    }
}

impl Show {
    async fn print_lines(&self, endpoint: &Endpoint, run: &Value) -> anyhow::Result<()> {
        print_line(&json!({ "run": run }))?;
        let mut stdout = BufWriter::new(io::stdout().lock());
        let mut cursor = None;
        loop {
            let page = self.attempts(endpoint, cursor, PAGE).await?;
            page.attempts
                .iter()
                .try_for_each(|attempt| writeln!(stdout, "{}", json!({ "attempt": attempt })))?;
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(stdout.flush()?);
            }
        }
    }

    async fn print_tables(&self, endpoint: &Endpoint, run: &Value) -> anyhow::Result<()> {
        let page = self.attempts(endpoint, None, ROWS).await?;
        let mut stdout = io::stdout().lock();
        let fields =
            run.as_object().into_iter().flatten().map(|(name, value)| [name.clone(), shown(value)]);
        writeln!(stdout, "{}", table(["FIELD", "VALUE"], &[], fields))?;
        let cells = page.attempts.iter().map(|attempt| {
            let text = |field: &str| attempt.get(field).map(shown).unwrap_or_default();
            [text("tenant_id"), text("attempt"), text("at"), text("status"), text("error")]
        });
        writeln!(
            stdout,
            "\n{}",
            table(["TENANT", "ATTEMPT", "AT", "STATUS", "ERROR"], &[1], cells)
        )?;
        if page.next_cursor.is_some() {
            writeln!(stdout, "There are more: --tenant shows those for one user, --json all.")?;
        }
        Ok(())
    }

    async fn attempts(
        &self,
        endpoint: &Endpoint,
        cursor: Option<String>,
        limit: usize,
    ) -> anyhow::Result<AttemptPage> {
        let tenant = self.tenant.as_ref().map(ToString::to_string);
        let parameters =
            [("tenant", tenant), ("cursor", cursor), ("limit", Some(limit.to_string()))];
        endpoint.get_json(&query(&format!("/runs/{}/attempts", self.run), parameters)).await
    }
}
