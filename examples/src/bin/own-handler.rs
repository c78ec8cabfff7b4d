//! A handler of one's own: typed settings, a result that is kept with the outcome, and errors that
//! say whether to try again.
//!
//! It runs the users of one frequency and time by hand, once, as
//! `own-handler instagram_posts daily 09:00` says.

use std::path::Path;

use cohort_batch_agent::{
    ConfigDatabaseClient, EnhancedBatchProcessor, Frequency, HandlerError, Job, SqliteLedger,
    TimeKey, UserWork, handler_fn,
};
use serde::{Deserialize, Serialize};

/// What users may set, over the defaults of the job.
#[derive(Deserialize)]
struct Style {
    tone: String,
    #[serde(default)]
    hashtags: u8,
}

/// What is kept of each post.
#[derive(Serialize)]
struct Post {
    text: String,
    post_id: String,
}

async fn write_post(work: UserWork<Style>) -> Result<Post, HandlerError> {
    let Style { tone, hashtags } = work.template_overrides;
    if tone == "rude" {
        return Err(HandlerError::reject("tone: expected one that we publish, got \"rude\""));
    }
    // The key is the same when the work is done again: a post is found, and not made twice.
    let post_id = format!("post-{}", &work.key[..8]);
    let text = format!("A {tone} post for {} with {hashtags} hashtags", work.tenant_id);
    tokio::fs::write(format!("{post_id}.txt"), &text).await.map_err(HandlerError::retry)?;
    Ok(Post { text, post_id })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [feature, frequency, time_key] = &arguments[..] else {
        anyhow::bail!("expected FEATURE FREQUENCY TIME_KEY, as instagram_posts daily 09:00");
    };
    let job = Job::builder("posts", "write_post", feature.as_str()).preference_based().build()?;
    let ledger = SqliteLedger::open(Path::new("ledger.db"), false)?;
    let processor = EnhancedBatchProcessor::builder(ConfigDatabaseClient::from_env()?, ledger)
        .handler("write_post", handler_fn(write_post))
        .jobs([job])
        .build()?;

    let (frequency, time_key): (Frequency, TimeKey) = (frequency.parse()?, time_key.parse()?);
    let batch = processor.process_user_preference_batch(feature, frequency, &time_key).await?;
    for run in batch.finished().await? {
        println!("{}: {} succeeded, {} failed", run.group, run.counts.succeeded, run.counts.failed);
    }
    Ok(())
}
