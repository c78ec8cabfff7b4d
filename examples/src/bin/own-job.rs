//! A job of one's own, and when it will run: everybody gets a weekly digest, on Friday evening by
//! their own clock unless they have asked for another day or time.
//!
//! It prints the groups that the job serves and exits; a program that keeps running would go on
//! with `Agent::run`, as `embedded-agent` does.

use std::path::Path;
use std::time::Duration;

use cohort_batch_agent::{
    Agent, ConfigDatabaseClient, EnhancedBatchProcessor, Enroll, HandlerError, Job, Preference,
    SqliteLedger, UserWork, handler_fn,
};
use jiff::SignedDuration;
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let friday_evening =
        json!({"frequency": "weekly", "preferred_day": "friday", "preferred_time": "17:00"});
    let digest = Job::builder("weekly_digest", "write_digest", "digests")
        .preference_based()
        .default_preferences(Preference::from_json(&friday_evening, "")?)
        .enroll(Enroll::Everyone)
        .max_retries(5)
        .deadline(SignedDuration::from_hours(12))
        .build()?;

    let write = handler_fn(|work: UserWork| async move {
        Ok::<_, HandlerError>(format!("The week of {}", work.tenant_id))
    });
    let ledger = SqliteLedger::open(Path::new("ledger.db"), false)?;
    let processor = EnhancedBatchProcessor::builder(ConfigDatabaseClient::from_env()?, ledger)
        .handler("write_digest", write)
        .jobs([digest])
        .build()?;
    let agent = Agent::new(processor, Duration::from_mins(1));
    agent.scheduler().initialize_dynamic_schedules().await?;
    for schedule in agent.scheduler().schedules() {
        let next = schedule.next.map_or("never".into(), |next| next.nominal.to_string());
        println!("{}: {} users, next {next}", schedule.group, schedule.members);
    }
    Ok(())
}
