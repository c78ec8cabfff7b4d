//! Tells that something was committed, by this process or another.
//!
//! Whoever commits sends a notification. It carries nothing and only makes the others look at
//! `head`, which counts changes and admissions: of several that come together one look is enough,
//! and none is missed. As notifications are lost while the connection that hears them is down,
//! everybody looks once a second besides.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohort_database::{Heard, SchemaName};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::process::Process;
use crate::store::Result;
use cohort_database::statement::query_one;

/// The longest that something committed stays unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who is told of commits.
pub(super) struct Signals {
    channel: String,
    commits: watch::Sender<u64>,
    admissions: watch::Sender<u64>,
    seen: Mutex<Seen>,
}

/// What `head` counted when it was last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    change: i64,
    admissions: i64,
}

impl Signals {
    /// Nobody is told yet.
    pub(super) fn new(schema: &SchemaName) -> Self {
        let channel = format!("cohort {schema} config");
        Self {
            channel,
            commits: watch::Sender::new(0),
            admissions: watch::Sender::new(0),
            seen: Mutex::default(),
        }
    }

    /// Where notifications are sent.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Changes after every commit.
    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Changes whenever keys or definitions may have changed.
    pub(super) fn admissions(&self) -> watch::Receiver<u64> {
        self.admissions.subscribe()
    }

    /// This process has committed.
    pub(super) fn committed(&self, is_admission: bool) {
        raise(&self.commits);
        if is_admission {
            raise(&self.admissions);
        }
    }

    fn has_seen(&self, now: Seen) {
        let before = std::mem::replace(
            &mut *self.seen.lock().expect("nobody panics while holding what was seen"),
            now,
        );
        if before.change != now.change {
            raise(&self.commits);
        }
        if before.admissions != now.admissions {
            raise(&self.admissions);
        }
    }
}

fn raise(signal: &watch::Sender<u64>) {
    signal.send_modify(|count| *count += 1);
}

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

/// Waits for the next notification; for ever where none can be heard.
async fn hear(heard: &mut Option<watch::Receiver<Heard>>) {
    let is_over = match heard {
        Some(heard) => heard.changed().await.is_err(),
        None => std::future::pending().await,
    };
    if is_over {
        *heard = None;
    }
}

/// Compares what `head` counts with what was seen.
pub(super) async fn look(process: &Process) -> Result<()> {
    let mut reader = process.db.read().await?;
    let db = reader.snapshot().await?;
    let row = query_one(&db, "SELECT change_id, admissions FROM head", &[]).await?;
    process.signals.has_seen(Seen { change: row.get(0), admissions: row.get(1) });
    Ok(())
}
