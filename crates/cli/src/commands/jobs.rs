//! `cohort jobs`, `trigger`, `pause` and `resume`: the jobs in force, and what can be done with
//! one.

use axum::http::Method;
use clap::Args;
use cohort_preferences::JobId;
use serde_json::Value;

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

What falls due meanwhile is recorded as skipped (job_paused); open work is finished.
With --json the job is a line as of `cohort jobs`.";

const TRIGGER_EXAMPLE: &str = r#"Example:
  cohort trigger instagram_post_preference_based --data ./data

A running agent does it, for the members as of now, also of a paused job. It does not count as the
day's run. With --json the answer is a line {"nominal", "scheduled_at", "runs"}; `cohort runs` shows
the runs."#;

const RESUME_EXAMPLE: &str = "Example:
  cohort resume instagram_post_preference_based --data ./data

The job starts at now: what fell due during the pause is not caught up on.
With --json the job is a line as of `cohort jobs`.";

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
    #[command(flatten)]
    job: OneJob,
}

/// Let a job plan nothing until it is resumed
#[derive(Args)]
#[command(after_help = PAUSE_EXAMPLE)]
pub(crate) struct Pause {
    #[command(flatten)]
    job: OneJob,
}

/// Let a paused job plan again
#[derive(Args)]
#[command(after_help = RESUME_EXAMPLE)]
pub(crate) struct Resume {
    #[command(flatten)]
    job: OneJob,
}

/// A job, and where it is.
#[derive(Args)]
struct OneJob {
    /// Which job
    #[arg(value_name = "JOB")]
    job: JobId,
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
        let triggered = self.job.post("trigger", environment).await?;
        let (job, nominal) = (&self.job.job, shown(&triggered["nominal"]));
        let runs = items(&triggered, "runs").len();
        output.print(&triggered, || format!("{job} runs as {nominal}, {runs} groups"))
    }
}

impl Pause {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let job = self.job.post("pause", environment).await?;
        output.print(&job, || {
            format!("{} is paused since {}", self.job.job, shown(&job["paused_at"]))
        })
    }
}

impl Resume {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let job = self.job.post("resume", environment).await?;
        output.print(&job, || format!("{} plans again", self.job.job))
    }
}

impl OneJob {
    /// Asks the agent for this operation on the job, and returns its answer.
    async fn post(&self, operation: &str, environment: &Environment) -> anyhow::Result<Value> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Change).await?;
        let path = format!("/jobs/{}/{operation}", segment(self.job.as_str()));
        endpoint.send_json(Method::POST, &path, &Value::Null).await
    }
}
