//! What operations are done to: one selection for all of them, what it would touch, and the
//! question before it touches many.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;
use axum::http::Method;
use clap::Args;
use cohort_preferences::{JobId, PurposeId, TenantId};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::endpoint::{Access, Endpoint};
use crate::output::{items, shown};

/// The most users whom an operation touches on a terminal without a question.
const UNASKED: u64 = 100;

/// Which runs.
#[derive(Args)]
pub(super) struct RunChoice {
    /// Which run, by number, or all of a name: trigger:UUID, rerun:UUID
    #[arg(value_name = "RUN", value_parser = run_or_name)]
    run: Option<RunOrName>,
    /// Only runs of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// Only runs of jobs of this purpose
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<PurposeId>,
    /// Only runs of this nominal time, or of this trigger or rerun
    #[arg(long, value_name = "NAME")]
    nominal: Option<String>,
    /// Only runs of this instant or later
    #[arg(long, value_name = "INSTANT")]
    since: Option<Timestamp>,
    /// Only runs of before this instant
    #[arg(long, value_name = "INSTANT")]
    until: Option<Timestamp>,
}

/// Which runs, and whose work in them.
#[derive(Args)]
pub(super) struct WorkChoice {
    #[command(flatten)]
    runs: RunChoice,
    /// Only this user; may be given more than once
    #[arg(long, visible_alias = "tenant", value_name = "TENANT")]
    user: Vec<TenantId>,
    /// Only work that ended for this reason; `cohort outcomes` shows the reasons
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only work whose last error contains this
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
}

/// Which jobs: one, those of a purpose, or all.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct JobChoice {
    /// Which job
    #[arg(value_name = "JOB")]
    pub(super) job: Option<JobId>,
    /// All jobs of this purpose
    #[arg(long, value_name = "PURPOSE")]
    pub(super) purpose: Option<PurposeId>,
    /// All jobs
    #[arg(long)]
    pub(super) all: bool,
}

/// How careful an operation is.
#[derive(Args)]
pub(super) struct Caution {
    /// Only say what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do it without a question, however many users it touches
    #[arg(long)]
    yes: bool,
}

/// A run, or the name that runs share.
#[derive(Clone)]
enum RunOrName {
    Run(i64),
    Name(String),
}

fn run_or_name(text: &str) -> Result<RunOrName, String> {
    if let Ok(run) = text.parse() {
        return Ok(RunOrName::Run(run));
    }
    if text.starts_with("trigger:") || text.starts_with("rerun:") {
        return Ok(RunOrName::Name(text.into()));
    }
    Err("expected the number of a run, trigger:UUID or rerun:UUID; `cohort runs` lists them".into())
}

impl RunChoice {
    /// The number of the run, if nothing else is chosen.
    pub(super) fn only_run(&self) -> Option<i64> {
        let Some(RunOrName::Run(run)) = self.run else { return None };
        (self.body().len() == 1).then_some(run)
    }

    /// The fields of a request; none for what was not given.
    pub(super) fn body(&self) -> Map<String, Value> {
        let (run, name) = match &self.run {
            Some(RunOrName::Run(run)) => (Some(run), None),
            Some(RunOrName::Name(name)) => (None, Some(name)),
            None => (None, None),
        };
        given([
            ("run", json!(run)),
            ("job", json!(self.job)),
            ("purpose", json!(self.purpose)),
            ("nominal", json!(name.or(self.nominal.as_ref()))),
            ("since", json!(self.since)),
            ("until", json!(self.until)),
        ])
    }
}

impl WorkChoice {
    /// The fields of a request; none for what was not given.
    pub(super) fn body(&self) -> Map<String, Value> {
        let mut body = self.runs.body();
        body.extend(given([("reason", json!(self.reason)), ("error", json!(self.error))]));
        if !self.user.is_empty() {
            body.insert("tenants".into(), json!(self.user));
        }
        body
    }
}

impl JobChoice {
    /// The fields of a request.
    pub(super) fn body(&self) -> Map<String, Value> {
        let mut body = given([("job", json!(self.job)), ("purpose", json!(self.purpose))]);
        if self.all {
            body.insert("all".into(), json!(true));
        }
        body
    }

    /// What was chosen, in words.
    pub(super) fn told(&self) -> String {
        match (&self.job, &self.purpose) {
            (Some(job), _) => job.to_string(),
            (None, Some(purpose)) => format!("every job of {purpose}"),
            (None, None) => "every job".into(),
        }
    }
}

fn given<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let given = fields.into_iter().filter(|(_name, value)| !value.is_null());
    given.map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Caution {
    /// What the operation needs to be allowed.
    pub(super) fn access(&self) -> Access {
        if self.dry_run { Access::Look } else { Access::Change }
    }

    /// Does an operation, or says what it would do. On a terminal it is asked for first if it
    /// touches many users.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: Map<String, Value>,
    ) -> anyhow::Result<Value> {
        let is_watched = io::stdin().is_terminal() && io::stderr().is_terminal();
        if self.dry_run || (is_watched && !self.yes) {
            let mut dry_run = body.clone();
            dry_run.insert("dry_run".into(), json!(true));
            let would_be: Value =
                endpoint.send_json(Method::POST, path, &Value::Object(dry_run)).await?;
            if self.dry_run {
                return Ok(would_be);
            }
            let users = would_be["users"].as_u64().unwrap_or_default();
            if users > UNASKED && !is_agreed(users)? {
                bail!("nothing was done");
            }
        }
        endpoint.send_json(Method::POST, path, &Value::Object(body)).await
    }
}

/// Whether the person at the terminal agrees to touch so many users.
fn is_agreed(users: u64) -> anyhow::Result<bool> {
    write!(io::stderr(), "this touches {users} users; go on? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// How many users an answer counts, with some of their names.
pub(super) fn users_in(answer: &Value) -> String {
    let users = answer["users"].as_u64().unwrap_or_default();
    let named: Vec<String> = items(answer, "named").iter().map(shown).collect();
    let more = if named.is_empty() {
        String::new()
    } else {
        let rest = if (named.len() as u64) < users { ", …" } else { "" };
        format!(" ({}{rest})", named.join(", "))
    };
    format!("{}{more}", counted(users, "user"))
}

/// A number of things in words.
pub(super) fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
