//! `cohort status`: is all well, and if not, what is wrong and what to do (A4).

mod screen;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use cohort_batch_agent::SystemClock;
use cohort_preferences::Clock;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs};
use crate::failure::{NotWell, wrong_input, wrong_input_with_causes};
use crate::output::{Output, print_line, shown};

const EXAMPLE: &str = "Example:
  cohort status --data ./data
  cohort status --url http://127.0.0.1:8000/api/v1 --watch

The first line says whether all is well. Below it stands each thing that is not, worst first, with
the command that shows more of it or mends it; then jobs, purposes and agents.

The exit code is 0 if all is well, 1 if not, and 2 if nobody who could say it answers. With --json
the answer is one line; docs/reference/status.md lists its fields. Colours are left out where
NO_COLOR is set, and where the output is no terminal.";

/// How long --watch waits before it asks again.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// How long the whole status is waited for: longer than an agent takes that answers at all.
const LONGEST_WAIT: Duration = Duration::from_secs(7);

/// Clears a terminal, and goes to its beginning.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Say whether all is well, and if not, what is wrong and what to do
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Status {
    /// Ask again every 2 seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Status {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        if self.watch {
            return self.watch(environment, output).await;
        }
        let status = self.ask(environment).await?;
        match output {
            Output::Json => print_line(&status)?,
            Output::Text => writeln!(io::stdout(), "{}", self.drawn(&status))?,
        }
        if status["well"] == true { Ok(()) } else { Err(NotWell.into()) }
    }

    /// Shows the status again and again; where nobody answers, it says so and goes on asking.
    async fn watch(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let clear = if io::stdout().is_terminal() { CLEAR } else { "" };
        loop {
            match (self.ask(environment).await, output) {
                (Ok(status), Output::Json) => print_line(&status)?,
                (Ok(status), Output::Text) => {
                    writeln!(io::stdout(), "{clear}{}", self.drawn(&status))?;
                }
                (Err(error), Output::Json) => eprintln!("error: {error:#}"),
                (Err(error), Output::Text) => {
                    writeln!(io::stdout(), "{clear}Nobody answers: {error:#}")?;
                }
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }

    fn drawn(&self, status: &Value) -> String {
        screen::draw(status, &self.endpoint.as_flags())
    }

    /// Asks whoever can say it; that nobody can is for the caller to mend.
    async fn ask(&self, environment: &Environment) -> anyhow::Result<Value> {
        let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
        find(&endpoint).await
    }
}

fn silent() -> anyhow::Error {
    anyhow::anyhow!("no answer within {} s", LONGEST_WAIT.as_secs())
}

/// The status of a service that says no more than what keeps it from its work.
fn of_causes(causes: &[Value]) -> Value {
    let told: Vec<_> = causes.iter().map(|cause| shown(&cause["cause"])).collect();
    let finding = |told: &String| {
        json!({"severity": "critical", "kind": "not_ready", "subject": told, "sentence": told,
            "command": null})
    };
    json!({
        "well": false,
        "sentence": format!("Not well, and nothing else can be asked: {}", told.join("; ")),
        "findings": told.iter().map(finding).collect::<Vec<_>>(),
        "at": SystemClock.now(), "version": null, "time_zone_database": null,
        "jobs": [], "purposes": [], "agents": [], "agent": null,
    })
}

/// Returns what an agent says of everything.
pub(super) async fn find(endpoint: &Endpoint) -> anyhow::Result<Value> {
    let asked = timeout(LONGEST_WAIT, endpoint.find_json("/status")).await;
    let found = match asked.unwrap_or_else(|_elapsed| Err(silent())) {
        Ok(found) => found,
        // Where the Config Database is away, the agent cannot check the key, and still says why.
        Err(error) => match endpoint.causes().await {
            Some(causes) => Some(of_causes(&causes)),
            None => return Err(wrong_input_with_causes(error.as_ref())),
        },
    };
    found.ok_or_else(|| {
        wrong_input(
            "no agent answers at this address, only a Config Database: give --url, or \
             COHORT_AGENT_URL, the address of the agent",
        )
    })
}
