//! `cohort outcomes`: how each user's work ended.

use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use cohort_preferences::{JobId, TenantId};
use serde::Deserialize;

use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs, List, Pages, query};
use crate::output::Output;
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort outcomes --data ./data --tenant user123
  cohort outcomes --data ./data --status failed --json
  cohort outcomes --data ./data --follow

With --json each outcome is a line {"job_id", "feature_type", "tenant_id", "nominal", "timezone",
"scheduled_at", "status", "reason", "attempts", "key", "chunk", "preference_version",
"purpose_version", "run_id", "finished_at"}, in a rerun with "repeats": {"nominal", "timezone",
"key"}; all of them unless --limit is given. --follow prints the same lines as outcomes are
recorded, until Ctrl-C. Where to go on from stands on standard error, at the end and at most once a
second on the way: everything before it has been printed by then, so that --from with the last one
repeats little and misses nothing, however the command ended. A user who is requeued appears again
with the next outcome."#;

/// How many outcomes the table shows, if not told otherwise.
const ROWS: usize = 50;

/// How many seconds a request waits for what comes next.
const WAIT: u64 = 25;

/// How often it is said on the way where another call goes on.
const SAY_CURSOR_EVERY: Duration = Duration::from_secs(1);

/// List outcomes, one a user and occurrence
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Outcomes {
    /// Only of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// Only of this user
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// Only of this run
    #[arg(long, value_name = "RUN")]
    run: Option<i64>,
    /// Only with this status
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,
    /// Only with this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only where the error contains this
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Go on with outcomes as they are recorded, as lines of JSON
    #[arg(long, conflicts_with = "limit")]
    follow: bool,
    /// With --follow: from `oldest`, or from a cursor, instead of from now
    #[arg(long, value_name = "CURSOR", requires = "follow")]
    from: Option<String>,
    /// At most this many [default: 50, with --json all]
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
        let pages = self.pages(&endpoint);
        match output {
            Output::Json => print_lines(&pages, self.limit.unwrap_or(usize::MAX)).await,
            Output::Text => print_table(&pages, self.limit.unwrap_or(ROWS)).await,
        }
    }

    /// Prints what is recorded from now on, or from elsewhere, until the feed ends or the user has
    /// seen enough.
    async fn follow(&self, endpoint: &Endpoint) -> anyhow::Result<()> {
        let mut cursor = match self.from.as_deref() {
            None => Some("now".to_owned()),
            Some("oldest") => None,
            Some(cursor) => Some(cursor.to_owned()),
        };
        let (mut cursor_said, mut has_moved) = (None::<Instant>, false);
        loop {
            let path = query(
                "/outcomes/feed",
                [("cursor", cursor.clone()), ("wait", Some(WAIT.to_string()))],
            );
            let page: anyhow::Result<Option<FeedPage>> = tokio::select! {
                page = endpoint.find_json(&path) => page,
                // Without a way to hear of Ctrl-C it ends the process all the same.
                _interrupted = tokio::signal::ctrl_c() => {
                    say_where(cursor.as_deref());
                    return Ok(());
                }
            };
            let page = page.inspect_err(|_reported| say_where(cursor.as_deref()))?;
            let Some(page) = page else {
                cursor = Some(self.list_anew(endpoint).await?);
                continue;
            };
            let mut stdout = io::stdout().lock();
            page.outcomes
                .iter()
                .filter(|outcome| self.asks_for(outcome))
                .try_for_each(|outcome| writeln!(stdout, "{outcome}"))?;
            stdout.flush()?;
            has_moved |= !page.outcomes.is_empty();
            cursor = Some(page.next);
            let is_quiet = cursor_said.is_none_or(|said| said.elapsed() >= SAY_CURSOR_EVERY);
            if has_moved && is_quiet {
                say_where(cursor.as_deref());
                (cursor_said, has_moved) = (Some(Instant::now()), false);
            }
        }
    }

    /// Prints everything that is listed now, because the feed does not go on from the cursor, and
    /// returns the cursor to follow from. It is taken before the list, so that nothing is left out
    /// (F7, F11).
    async fn list_anew(&self, endpoint: &Endpoint) -> anyhow::Result<String> {
        let start: FeedPage = endpoint.get_json("/outcomes/feed?cursor=now").await?;
        eprintln!(
            "the feed does not go on from this cursor: outcomes up to it are no longer kept, or \
             the ledger was restored. All outcomes follow, then the feed goes on from {}",
            start.next
        );
        print_lines(&self.pages(endpoint), usize::MAX).await?;
        Ok(start.next)
    }

    fn pages<'a>(&self, endpoint: &'a Endpoint) -> Pages<'a> {
        Pages {
            endpoint,
            list: List::by_cursor("outcomes", 5_000),
            path: "/outcomes".into(),
            parameters: self.parameters(),
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

    fn parameters(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("job", self.job.as_ref().map(ToString::to_string)),
            ("tenant", self.tenant.as_ref().map(ToString::to_string)),
            ("run", self.run.map(|run| run.to_string())),
            ("status", self.status_name()),
            ("reason", self.reason.clone()),
            ("error", self.error.clone()),
        ]
    }
}

/// Prints where another call goes on, as far as that is known.
fn say_where(cursor: Option<&str>) {
    if let Some(cursor) = cursor.filter(|cursor| *cursor != "now") {
        eprintln!("to go on from here: --follow --from {cursor}");
    }
}

async fn print_lines(outcomes: &Pages<'_>, most: usize) -> anyhow::Result<()> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    outcomes.each(most, |outcome| Ok(writeln!(stdout, "{outcome}")?)).await?;
    Ok(stdout.flush()?)
}

async fn print_table(outcomes: &Pages<'_>, most: usize) -> anyhow::Result<()> {
    let mut rows: Vec<Row> = Vec::new();
    let has_more = outcomes
        .each(most, |outcome| {
            rows.push(serde_json::from_value(outcome)?);
            Ok(())
        })
        .await?;
    let mut stdout = io::stdout().lock();
    if rows.is_empty() {
        return Ok(writeln!(stdout, "no such outcomes")?);
    }
    writeln!(stdout, "{}", table(HEADINGS, &[5, 6], rows.into_iter().map(Row::cells)))?;
    if has_more {
        writeln!(stdout, "There are more: --limit N shows them, --json all.")?;
    }
    Ok(())
}

const HEADINGS: [&str; 8] =
    ["TENANT", "NOMINAL", "TIMEZONE", "JOB", "STATUS", "ATTEMPTS", "CHUNK", "REASON"];

impl Row {
    fn cells(self) -> [String; 8] {
        let why = self.reason.into_iter().chain(self.detail).collect::<Vec<_>>().join(": ");
        [
            self.tenant_id,
            self.nominal,
            self.timezone,
            self.job_id,
            self.status,
            self.attempts.to_string(),
            self.chunk.to_string(),
            why,
        ]
    }
}
