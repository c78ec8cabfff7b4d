//! `cohort run show`: one run, and every attempt in it.

use std::io::{self, BufWriter, Write};

use clap::{Args, Subcommand};
use cohort_preferences::TenantId;
use serde_json::{Value, json};

use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs, List, Pages};
use crate::output::{Output, print_line, shown};
use crate::table::table;

pub(super) const EXAMPLE: &str = "Example:
  cohort run show 17 --data ./data
  cohort run show 17 --tenant ann --data ./data";

const SHOW_EXAMPLE: &str = r#"Example:
  cohort run show 17 --data ./data
  cohort run show 17 --tenant ann --data ./data

With --json the first line is {"run"} as of `cohort runs`, and each attempt a line {"attempt":
{"run_id", "tenant_id", "attempt", "at", "status", "error"}}; its status is succeeded, failed, or
retried."#;

/// How many attempts the table shows.
const ROWS: usize = 50;

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
        let attempts = self.attempts(endpoint);
        let line = |attempt: Value| Ok(writeln!(stdout, "{}", json!({ "attempt": attempt }))?);
        attempts.each(usize::MAX, line).await?;
        Ok(stdout.flush()?)
    }

    async fn print_tables(&self, endpoint: &Endpoint, run: &Value) -> anyhow::Result<()> {
        let mut attempts = Vec::new();
        let collect = |attempt: Value| {
            attempts.push(cells(&attempt));
            Ok(())
        };
        let has_more = self.attempts(endpoint).each(ROWS, collect).await?;
        let fields =
            run.as_object().into_iter().flatten().map(|(name, value)| [name.clone(), shown(value)]);
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}\n", table(["FIELD", "VALUE"], &[], fields))?;
        writeln!(stdout, "{}", table(HEADINGS, &[1], attempts))?;
        if has_more {
            writeln!(stdout, "There are more: --tenant shows those for one user, --json all.")?;
        }
        Ok(())
    }

    fn attempts<'a>(&self, endpoint: &'a Endpoint) -> Pages<'a> {
        Pages {
            endpoint,
            list: List::by_cursor("attempts", 5_000),
            path: format!("/runs/{}/attempts", self.run),
            parameters: vec![("tenant", self.tenant.as_ref().map(ToString::to_string))],
        }
    }
}

const HEADINGS: [&str; 5] = ["TENANT", "ATTEMPT", "AT", "STATUS", "ERROR"];

fn cells(attempt: &Value) -> [String; 5] {
    ["tenant_id", "attempt", "at", "status", "error"]
        .map(|field| attempt.get(field).map(shown).unwrap_or_default())
}
