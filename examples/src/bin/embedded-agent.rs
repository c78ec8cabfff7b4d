//! An agent in a program of one's own: preferences from the Config Database, the record in SQLite.
//!
//! ```sh
//! CONFIG_SERVICE_URL=http://127.0.0.1:8000/api/v1 CONFIG_SERVICE_API_KEY=… embedded-agent
//! ```

use std::path::Path;
use std::time::Duration;

use cohort_batch_agent::{
    Agent, ConfigDatabaseClient, EnhancedBatchProcessor, HandlerError, Job, SqliteLedger, UserWork,
    handler_fn,
};
use tokio::sync::watch;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let greet = handler_fn(|work: UserWork| async move {
        println!("Good morning, {}: {} ({})", work.tenant_id, work.nominal, work.timezone);
        Ok::<_, HandlerError>(())
    });
    // The job's name, the purpose that does its work, and the feature whose preferences it follows.
    let job = Job::builder("greetings", "greet", "greetings").preference_based().build()?;
    let read_only = false;
    let ledger = SqliteLedger::open(Path::new("ledger.db"), read_only)?;
    let processor = EnhancedBatchProcessor::builder(ConfigDatabaseClient::from_env()?, ledger)
        .handler("greet", greet)
        .jobs([job])
        .build()?;

    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let _interrupted = tokio::signal::ctrl_c().await;
        stop.send_replace(true);
    });
    let (poll_interval, grace) = (Duration::from_mins(1), Duration::from_secs(25));
    Agent::new(processor, poll_interval).run(stopped, grace).await?;
    Ok(())
}
