//! `cohort jobs`, `trigger`, `pause` and `resume`: the jobs in force, and what can be done with
//! one.

use axum::http::Method;
use clap::Args;
use cohort_preferences::JobId;
use serde_json::{Map, Value};

use super::choice::{Caution, JobChoice, counted};
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs, segment};
use crate::output::{Output, items, shown};
use crate::table::table;

const JOBS_EXAMPLE: &str = r#"Example:
  cohort jobs --data ./data

With --json each job is a line {"job_id", "version", "state", "applied_at", "applied_by", "groups",
"members", "next_run": {"nominal", "timezone", "at"}, "job"}, with "paused_at" and "resumed_at" if
it ever was paused; "groups", "members" and "next_run" are known while an agent runs."#;

const PAUSE_EXAMPLE: &str = "Example:
  cohort pause instagram_post_preference_based --data ./data
  cohort pause --purpose instagram_generation --data ./data

What falls due meanwhile is recorded as skipped (job_paused); open work is finished, `cohort stop`
ends that too. With --json the job is a line as of `cohort jobs`; of several, their names are a line
{\"jobs\"}.";

const TRIGGER_EXAMPLE: &str = r#"Example:
  cohort trigger instagram_post_preference_based --dry-run --data ./data
  cohort trigger instagram_post_preference_based --data ./data

A running agent does it, for the members as of now, also of a paused job. It does not count as the
day's run. With --json the answer is a line {"nominal", "scheduled_at", "runs"}, with --dry-run
{"groups", "users"}; `cohort runs` shows the runs, and `cohort cancel trigger:UUID` ends all."#;

const RESUME_EXAMPLE: &str = "Example:
  cohort resume instagram_post_preference_based --data ./data
  cohort resume --all --data ./data

The job starts at now: what fell due during the pause is not caught up on. This also lifts a `cohort
stop`. With --json the job is a line as of `cohort jobs`; of several, their names are a line
{\"jobs\"}.";

/// List the jobs in force, and when each runs next
#[derive(Args)]
#[command(after_help = JOBS_EXAMPLE)]
pub(crate) struct Jobs {
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Run everybody whom a job serves, now
#[derive(Args)]
#[command(after_help = TRIGGER_EXAMPLE)]
pub(crate) struct Trigger {
    /// Which job
    #[arg(value_name = "JOB")]
    job: JobId,
    #[command(flatten)]
    caution: Caution,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Let a job plan nothing until it is resumed
#[derive(Args)]
#[command(after_help = PAUSE_EXAMPLE)]
pub(crate) struct Pause {
    #[command(flatten)]
    jobs: SomeJobs,
}

/// Let a paused job plan again
#[derive(Args)]
#[command(after_help = RESUME_EXAMPLE)]
pub(crate) struct Resume {
    #[command(flatten)]
    jobs: SomeJobs,
}

/// Jobs, and where they are.
#[derive(Args)]
struct SomeJobs {
    #[command(flatten)]
    choice: JobChoice,
    /// Only say which jobs it would be
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Jobs {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        let list: Value = endpoint.get_json("/jobs").await?;
        let jobs = items(&list, "jobs");
        output.print_list(jobs, || match jobs {
            [] => "there is no job; `cohort apply FILE` makes some".into(),
            jobs => table(HEADINGS, &[1, 4, 5], jobs.iter().map(row)),
        })
    }
}

const HEADINGS: [&str; 7] = ["JOB", "VERSION", "STATE", "FEATURE", "GROUPS", "USERS", "NEXT RUN"];

fn row(job: &Value) -> [String; 7] {
    let text = |field: &str| shown(&job[field]);
    let next = job.get("next_run").filter(|next| !next.is_null());
    let next = next.map_or_else(
        || "-".into(),
        |next| format!("{} {}", shown(&next["nominal"]), shown(&next["timezone"])),
    );
    [
        text("job_id"),
        text("version"),
        text("state"),
        shown(&job["job"]["feature_type"]),
        text("groups"),
        text("members"),
        next,
    ]
}

impl Trigger {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let endpoint = self.endpoint.connect_to_agent(environment, self.caution.access()).await?;
        let path = format!("/jobs/{}/trigger", segment(self.job.as_str()));
        let answer = self.caution.send(&endpoint, &path, Map::new()).await?;
        output.print(&answer, || match answer.get("nominal") {
            Some(nominal) => {
                let runs = items(&answer, "runs").len();
                format!("{} runs as {}, {runs} groups", self.job, shown(nominal))
            }
            None => {
                let users = counted(answer["users"].as_u64().unwrap_or_default(), "user");
                format!("{users} in {} groups would be run", shown(&answer["groups"]))
            }
        })
    }
}

impl Pause {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let answer = self.jobs.post("pause", environment).await?;
        output.print(&answer, || match answer.get("paused_at") {
            Some(since) => format!("{} is paused since {}", self.jobs.choice.told(), shown(since)),
            None => self.jobs.told(&answer, "paused"),
        })
    }
}

impl Resume {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let answer = self.jobs.post("resume", environment).await?;
        output.print(&answer, || match answer.get("jobs") {
            None => format!("{} plans again", self.jobs.choice.told()),
            Some(_several) => self.jobs.told(&answer, "resumed"),
        })
    }
}

impl SomeJobs {
    /// Asks the agent for this operation on the jobs, and returns its answer: one job as it is
    /// then, or the names of several.
    async fn post(&self, operation: &str, environment: &Environment) -> anyhow::Result<Value> {
        let access = if self.dry_run { Access::Look } else { Access::Change };
        let endpoint = self.endpoint.connect_to_agent(environment, access).await?;
        if let Some(job) = self.choice.job.as_ref().filter(|_job| !self.dry_run) {
            let path = format!("/jobs/{}/{operation}", segment(job.as_str()));
            return endpoint.send_json(Method::POST, &path, &Value::Null).await;
        }
        let mut body = self.choice.body();
        if self.dry_run {
            body.insert("dry_run".into(), true.into());
        }
        endpoint.send_json(Method::POST, &format!("/{operation}"), &Value::Object(body)).await
    }

    /// What became of several jobs, or would, in words.
    fn told(&self, answer: &Value, became: &str) -> String {
        let names: Vec<String> = items(answer, "jobs").iter().map(shown).collect();
        let would = if self.dry_run { "would be " } else { "" };
        format!("{would}{became}: {}", names.join(", "))
    }
}
