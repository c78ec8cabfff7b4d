//! `cohort outcomes`: how each user's work ended.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use cohort_preferences::{JobId, TenantId};
use serde::Deserialize;

use crate::commands::Output;
use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs, query};
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort outcomes --data ./data --tenant user123
  cohort outcomes --data ./data --status failed --json
  cohort outcomes --data ./data --follow

With --json each outcome is a line {"job_id", "feature_type", "tenant_id", "nominal",
"timezone", "scheduled_at", "status", "reason", "attempts", "key", "chunk",
"preference_version", "run_id", "finished_at"}, all of them unless --limit is given. So they are with --follow,
as they are recorded, until Ctrl-C, which names the cursor to go on from. A user who is requeued and ends again
appears again."#;

/// How many outcomes the table shows, if not told otherwise.
const ROWS: usize = 50;

/// How many seconds a request waits for what comes next.
const WAIT: u64 = 25;

/// List outcomes, one a user and occurrence
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Outcomes {
    /// Of one job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// Of one user
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// Of one run
    #[arg(long, value_name = "RUN")]
    run: Option<i64>,
    /// With one status
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,
    /// With one reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Whose error has this in it
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Go on with outcomes as they are recorded, as lines of JSON
    #[arg(long, conflicts_with = "limit")]
    follow: bool,
    /// With --follow: from `oldest`, or from a cursor, instead of from now
    #[arg(long, value_name = "CURSOR", requires = "follow")]
    from: Option<String>,
    /// At most so many [default: 50, with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Succeeded,
    Failed,
    Skipped,
    Requeued,
}

#[derive(Deserialize)]
struct OutcomePage {
    outcomes: Vec<serde_json::Value>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct FeedPage {
    outcomes: Vec<serde_json::Value>,
    next: String,
}

/// The fields of an outcome that the table shows.
#[derive(Deserialize)]
struct Row {
    tenant_id: String,
    nominal: String,
    timezone: String,
    job_id: String,
    status: String,
    reason: Option<String>,
    detail: Option<String>,
    attempts: u32,
    chunk: i64,
}

impl Outcomes {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        if self.follow {
            return self.follow(&endpoint).await;
        }
        let limit = self.limit.unwrap_or(if output == Output::Json { usize::MAX } else { ROWS });
        let mut stdout = BufWriter::new(io::stdout().lock());
        let mut rows = Vec::new();
        let (mut left, mut cursor) = (limit, None);
        while left > 0 {
            let page: OutcomePage = endpoint
                .get_json(&query("/outcomes", self.parameters(left, cursor.take())))
                .await?;
            left -= page.outcomes.len().min(left);
            match output {
                Output::Json => {
                    page.outcomes.iter().try_for_each(|outcome| writeln!(stdout, "{outcome}"))?
                }
                Output::Text => rows.extend(page.outcomes),
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if output == Output::Text {
            print_table(&mut stdout, rows, cursor.is_some())?;
        }
        Ok(stdout.flush()?)
    }

    /// Prints what is recorded from now on, or from elsewhere, until the feed ends or the user has
    /// seen enough.
    async fn follow(&self, endpoint: &Endpoint) -> anyhow::Result<()> {
        let mut cursor = match self.from.as_deref() {
            None => Some("now".to_owned()),
            Some("oldest") => None,
            Some(cursor) => Some(cursor.to_owned()),
        };
        loop {
            let path = query(
                "/outcomes/feed",
                [("cursor", cursor.clone()), ("wait", Some(WAIT.to_string()))],
            );
            let page: anyhow::Result<FeedPage> = tokio::select! {
                page = endpoint.get_json(&path) => page,
                // Without a way to hear of Ctrl-C it ends the process all the same.
                _interrupted = tokio::signal::ctrl_c() => {
                    say_where(cursor.as_deref());
                    return Ok(());
                }
            };
            let page = page.inspect_err(|_reported| say_where(cursor.as_deref()))?;
            let mut stdout = io::stdout().lock();
            page.outcomes
                .iter()
                .filter(|outcome| self.asks_for(outcome))
                .try_for_each(|outcome| writeln!(stdout, "{outcome}"))?;
            stdout.flush()?;
            cursor = Some(page.next);
        }
    }

    fn asks_for(&self, outcome: &serde_json::Value) -> bool {
        let is = |field: &str, wanted: Option<&str>| {
            wanted.is_none_or(|wanted| outcome[field] == wanted)
        };
        is("job_id", self.job.as_ref().map(JobId::as_str))
            && is("tenant_id", self.tenant.as_ref().map(TenantId::as_str))
            && is("status", self.status_name().as_deref())
            && is("reason", self.reason.as_deref())
            && self.run.is_none_or(|run| outcome["run_id"] == run)
            && self.error.as_ref().is_none_or(|part| {
                outcome["detail"].as_str().is_some_and(|detail| detail.contains(part))
            })
    }

    fn status_name(&self) -> Option<String> {
        self.status
            .and_then(|status| status.to_possible_value())
            .map(|value| value.get_name().to_owned())
    }

    fn parameters(
        &self,
        left: usize,
        cursor: Option<String>,
    ) -> [(&'static str, Option<String>); 8] {
        [
            ("job", self.job.as_ref().map(ToString::to_string)),
            ("tenant", self.tenant.as_ref().map(ToString::to_string)),
            ("run", self.run.map(|run| run.to_string())),
            ("status", self.status_name()),
            ("reason", self.reason.clone()),
            ("error", self.error.clone()),
            ("cursor", cursor),
            ("limit", Some(left.min(5_000).to_string())),
        ]
    }
}

/// Says from where another call goes on, as far as that is known.
fn say_where(cursor: Option<&str>) {
    if let Some(cursor) = cursor.filter(|cursor| *cursor != "now") {
        eprintln!("to go on from here: --follow --from {cursor}");
    }
}

fn print_table(
    stdout: &mut impl Write,
    outcomes: Vec<serde_json::Value>,
    is_cut: bool,
) -> anyhow::Result<()> {
    if outcomes.is_empty() {
        writeln!(stdout, "no such outcomes")?;
        return Ok(());
    }
    let rows: Vec<Row> =
        outcomes.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
    let cells = rows.into_iter().map(|row| {
        let why = row.reason.into_iter().chain(row.detail).collect::<Vec<_>>().join(": ");
        [
            row.tenant_id,
            row.nominal,
            row.timezone,
            row.job_id,
            row.status,
            row.attempts.to_string(),
            row.chunk.to_string(),
            why,
        ]
    });
    let headings =
        ["TENANT", "NOMINAL", "TIMEZONE", "JOB", "STATUS", "ATTEMPTS", "CHUNK", "REASON"];
    writeln!(stdout, "{}", table(headings, &[5, 6], cells))?;
    if is_cut {
        writeln!(stdout, "There are more: --limit N shows them, --json all.")?;
    }
    Ok(())
}
