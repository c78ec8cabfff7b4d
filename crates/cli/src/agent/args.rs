//! What `cohort up` and `cohort agent` are told about their agent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use cohort_batch_agent::LedgerRetention;
use cohort_preferences::BatchDocuments;

use crate::config::Environment;
use crate::purposes::read_documents;
use crate::serving::LISTEN_HELP;

const RETENTION_HELP: &str = "How long closed runs and their outcomes are kept, such as 400d; at \
    least 40d [default: COHORT_LEDGER_RETENTION, or 400d]";

const GRACE_HELP: &str = "How long open calls may take after SIGTERM, such as 25s; the rest is \
    done after the next start [default: COHORT_SHUTDOWN_GRACE, or 25s]";

/// The arguments of every command that runs an agent.
#[derive(Args)]
pub(crate) struct AgentArgs {
    #[arg(long, value_name = "ADDRESS", help = LISTEN_HELP)]
    listen: Option<SocketAddr>,
    /// Jobs and purposes to apply at the start, as `cohort apply` does; may be given more than once
    ///
    /// Files that the last start had as well change nothing: what was applied since stays. Without
    /// this flag, what is stored is in force.
    #[arg(long, value_name = "FILE")]
    batch_config: Vec<PathBuf>,
    #[arg(long, value_name = "DURATION", help = RETENTION_HELP)]
    ledger_retention: Option<String>,
    #[arg(long, value_name = "DURATION", help = GRACE_HELP)]
    shutdown_grace: Option<String>,
}

/// What the arguments and the environment say about an agent.
pub(crate) struct AgentSettings {
    pub(crate) listen: SocketAddr,
    /// The batch config of this start; `None` if it was given none.
    pub(super) batch_config: Option<BatchConfigFiles>,
    /// How long closed runs are kept.
    pub(super) retention: LedgerRetention,
    /// How long open calls may take once the agent is to stop (F6).
    pub(super) grace: Duration,
    /// How many users may be called and not yet answered (D3).
    pub(super) max_concurrent_items: usize,
    /// Attempts after the first, for jobs that do not say how many (D4).
    pub(super) retry_limit: u32,
    /// How often the groups are read in full as a safety net (F8).
    pub(super) poll_interval: Duration,
}

/// Batch configs that were read from files.
pub(super) struct BatchConfigFiles {
    pub(super) files: Vec<PathBuf>,
    pub(super) documents: BatchDocuments,
}

impl AgentArgs {
    /// Returns the address to listen at.
    pub(crate) fn listen(&self, environment: &Environment) -> anyhow::Result<SocketAddr> {
        environment.listen(self.listen)
    }

    /// Returns whether there are jobs or purposes to apply.
    pub(crate) fn has_batch_config(&self) -> bool {
        !self.batch_config.is_empty()
    }

    /// Reads the batch configs, and takes from the environment what no flag says.
    pub(crate) fn settings(&self, environment: &Environment) -> anyhow::Result<AgentSettings> {
        let documents = read_documents(&self.batch_config)?;
        let files = BatchConfigFiles { files: self.batch_config.clone(), documents };
        Ok(AgentSettings {
            batch_config: self.has_batch_config().then_some(files),
            retention: environment.ledger_retention(self.ledger_retention.as_deref())?,
            grace: environment.shutdown_grace(self.shutdown_grace.as_deref())?,
            max_concurrent_items: environment.max_concurrent_items()?,
            retry_limit: environment.retry_limit()?,
            poll_interval: environment.poll_interval()?,
            listen: self.listen(environment)?,
        })
    }
}
