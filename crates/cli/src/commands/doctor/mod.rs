//! `cohort doctor`: which settings are in force and where they come from, whether the groups are
//! what the preferences say, whether what was due is on record, and whether there is room for it.

mod completeness;
mod disk;

use std::io::{self, Write};

use axum::http::Method;
use clap::Args;
use cohort_preferences::{parse_duration, time_zone_database_version};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};

use self::completeness::CompletenessCheck;
use crate::config::{Environment, Setting};
use crate::endpoint::{Access, Endpoint, EndpointArgs};
use crate::output::{Output, items, print_line, shown};
use crate::table::table;

const EXAMPLE: &str = r#"Example:
  cohort doctor --data ./data
  cohort doctor --repair --data ./data

Secrets are masked. With --json the answer is a line {"version", "time_zone_database", "settings":
[{"name", "value", "source"}], "checks": [{"check", "passed", "detail"}], "account"}. "account" is
what was due and what of it is on record, by job, with the occurrences that are not: {"since",
"until", "jobs": [{"job_id", "due", "closed", "open", "unaccounted", "members", "on_record"}],
"unaccounted", "named": [{"job_id", "frequency", "time_key", "timezone", "nominal", "scheduled_at",
"fault", "run_id", "members", "on_record"}]}; null where no agent answers. A "fault" is no_run,
members_lacking or overdue. What `cohort status` finds is a check too. If a check fails, the exit
code is 1."#;

/// Show where the configuration comes from, and check both databases
///
/// The groups are computed again from all preferences and compared, which takes as long as reading
/// everything does. The members of each due occurrence are counted as of its instant and compared
/// with its run.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Doctor {
    /// Set the groups right where they differ
    #[arg(long)]
    repair: bool,
    /// How far back occurrences are compared with the record, such as 48h or 7d
    #[arg(long, value_name = "DURATION", default_value = "48h", value_parser = parse_duration)]
    since: SignedDuration,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// All that was looked at.
struct Findings {
    checks: Vec<Check>,
    /// `None` if no agent answers.
    completeness: Option<CompletenessCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "check")]
    subject: &'static str,
    passed: bool,
    detail: String,
}

impl Doctor {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let settings = environment.settings();
        let Findings { checks, completeness } = self.look(environment).await;
        match output {
            Output::Json => print_line(&json!({
                "version": env!("CARGO_PKG_VERSION"),
                "time_zone_database": time_zone_database_version(),
                "settings": settings, "checks": checks,
                "account": completeness.map(|completeness| completeness.whole),
            }))?,
            Output::Text => print_text(&settings, &checks, completeness.as_ref())?,
        }
        let failed = checks.iter().filter(|check| !check.passed).count();
        anyhow::ensure!(failed == 0, "{failed} of {} checks failed", checks.len());
        Ok(())
    }

    async fn look(&self, environment: &Environment) -> Findings {
        let mut checks = self.checks(environment).await;
        if checks.iter().any(|check| !check.passed) {
            return Findings { checks, completeness: None };
        }
        checks.extend(self.disks(environment).await);
        let completeness = self.completeness(environment).await;
        let verdict = match &completeness {
            Ok(Some(completeness)) => completeness.verdict(),
            Ok(None) => Ok("no agent answers here; COHORT_AGENT_URL says where one is".to_owned()),
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        checks.push(Check::of("occurrences", verdict));
        checks.extend(self.status(environment).await);
        Findings { checks, completeness: completeness.ok().flatten() }
    }

    async fn completeness(
        &self,
        environment: &Environment,
    ) -> anyhow::Result<Option<CompletenessCheck>> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::LookAsAgent).await?;
        CompletenessCheck::ask(&endpoint, self.since).await
    }

    /// What `cohort status` finds too (A4). Where only files are looked at, that no agent answers
    /// is no fault of them.
    async fn status(&self, environment: &Environment) -> Vec<Check> {
        let asked = async {
            let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
            endpoint.find_json::<Value>("/status").await
        };
        let status = match asked.await {
            Ok(Some(status)) => status,
            Ok(None) => return Vec::new(),
            Err(error) => return vec![Check::of("status", Err(error))],
        };
        let is_told =
            |finding: &&Value| finding["severity"] != "note" && finding["kind"] != "no_agent";
        let told: Vec<_> = items(&status, "findings")
            .iter()
            .filter(is_told)
            .map(|finding| Check::of("status", Err(anyhow::anyhow!(in_words(finding)))))
            .collect();
        if told.is_empty() { vec![Check::of("status", Ok("all is well".into()))] } else { told }
    }

    async fn checks(&self, environment: &Environment) -> Vec<Check> {
        let access = if self.repair { Access::Change } else { Access::Look };
        let endpoint = match self.endpoint.connect(environment, access).await {
            Ok(endpoint) => endpoint,
            Err(error) => return vec![Check::of("Config Database", Err(error))],
        };
        let answers = Check::of("Config Database", answers(&endpoint).await);
        if !answers.passed {
            return vec![answers];
        }
        vec![answers, Check::of("groups", self.groups(&endpoint).await)]
    }

    /// Looks at the room for each database that somebody answers for (F13).
    async fn disks(&self, environment: &Environment) -> Vec<Check> {
        let preferences = self.endpoint.connect(environment, Access::Look).await;
        let ledger = self.endpoint.connect_to_agent(environment, Access::Look).await;
        let mut checks = Vec::new();
        for (subject, endpoint, path) in [
            ("room for preferences", preferences, "/storage/preferences"),
            ("room for the ledger", ledger, "/storage/ledger"),
        ] {
            let usage = match endpoint {
                Ok(endpoint) => disk::ask(&endpoint, path).await,
                Err(error) => Err(error),
            };
            let verdict = usage.and_then(|usage| usage.map(disk::verdict).transpose());
            checks.extend(verdict.transpose().map(|verdict| Check::of(subject, verdict)));
        }
        checks
    }

    async fn groups(&self, endpoint: &Endpoint) -> anyhow::Result<String> {
        let path = format!("/preferences/groups/check?repair={}", self.repair);
        let drift: Value = endpoint.send_json(Method::POST, &path, &Value::Null).await?;
        let count = |field: &str| drift[field].as_u64().unwrap_or_default();
        let (preferences, groups) = (count("preferences"), count("groups"));
        let (misplaced, miscounted) = (count("misplaced_count"), count("miscounted_count"));
        if misplaced + miscounted == 0 {
            return Ok(format!("{groups} groups are what {preferences} preferences say"));
        }
        let found = format!(
            "{misplaced} of {preferences} preferences stood in a wrong group, {miscounted} of \
             {groups} groups were miscounted"
        );
        anyhow::ensure!(drift["repaired"] == true, "{found}; --repair sets them right");
        Ok(format!("{found}; they are set right"))
    }
}

async fn answers(endpoint: &Endpoint) -> anyhow::Result<String> {
    let page: Value = endpoint.get_json("/preferences/changes?since_id=now").await?;
    Ok(format!("it answers; its feed stands at {}", shown(&page["next"])))
}

/// A finding, and what to do about it.
fn in_words(finding: &Value) -> String {
    let sentence = shown(&finding["sentence"]);
    match finding["command"].as_str() {
        Some("cohort doctor") | None => sentence,
        Some(command) => format!("{sentence} See `{command}`"),
    }
}

impl Check {
    fn of(subject: &'static str, outcome: anyhow::Result<String>) -> Self {
        match outcome {
            Ok(detail) => Self { subject, passed: true, detail },
            Err(error) => Self { subject, passed: false, detail: format!("{error:#}") },
        }
    }

    fn row(&self) -> [String; 3] {
        let passed = if self.passed { "ok" } else { "FAILED" };
        [self.subject.to_owned(), passed.to_owned(), self.detail.clone()]
    }
}

fn print_text(
    settings: &[Setting],
    checks: &[Check],
    completeness: Option<&CompletenessCheck>,
) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let (version, zones) = (env!("CARGO_PKG_VERSION"), time_zone_database_version());
    writeln!(stdout, "cohort {version}, time zone database {zones}\n")?;
    writeln!(stdout, "{}\n", table(["SETTING", "VALUE", "FROM"], &[], settings.iter().map(row)))?;
    writeln!(stdout, "{}", table(["CHECK", "", "DETAIL"], &[], checks.iter().map(Check::row)))?;
    completeness
        .map(CompletenessCheck::tables)
        .unwrap_or_default()
        .iter()
        .try_for_each(|table| writeln!(stdout, "\n{table}"))
}

fn row(setting: &Setting) -> [String; 3] {
    [setting.name.to_owned(), setting.value.clone(), setting.source.to_owned()]
}
