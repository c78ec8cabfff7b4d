//! Looks at `head` for what this process or another has committed.

use std::sync::Arc;
use std::time::Duration;

use cohort_database::Heard;
use cohort_database::statement::query_one;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::process::Process;
use super::signals::HeadCounts;
use crate::error::Result;

/// The longest that something committed stays unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at `head` whenever something is heard, and once a second.
pub(super) async fn follow(process: Arc<Process>, mut heard: Option<watch::Receiver<Heard>>) {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = hear(&mut heard) => {}
            _instant = tick.tick() => {}
        }
        if let Err(error) = look(&process).await {
            tracing::debug!(%error, "looking for what was committed");
        }
    }
}

/// Waits for the next notification, for ever if none can be heard.
async fn hear(heard: &mut Option<watch::Receiver<Heard>>) {
    let is_over = match heard {
        Some(heard) => heard.changed().await.is_err(),
        None => std::future::pending().await,
    };
    if is_over {
        *heard = None;
    }
}

/// Looks at `head` once.
pub(super) async fn look(process: &Process) -> Result<()> {
    let mut reader = process.db.read().await?;
    let db = reader.snapshot().await?;
    let row = query_one(&db, "SELECT change_id, admissions FROM head", &[]).await?;
    process
        .signals
        .compare(HeadCounts { change: row.get("change_id"), admissions: row.get("admissions") });
    Ok(())
}
