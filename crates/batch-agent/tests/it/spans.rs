//! Each log line names its run, chunk and, where debugging is on, its call by spans, and no user.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::stage::Stage;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic holds it").extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().expect("no panic holds it")).into_owned();
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn runs_chunks_and_calls_have_spans_that_name_no_user() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("cohort_batch_agent=debug")
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let stage = Stage::with_daily_users(3, &json!({}));
    stage.run_until("2026-12-01T09:30:00Z").await;
    drop(guard);

    let lines = log.lines();
    let has = |text: &str| lines.iter().any(|line| line.contains(text));
    let job = &stage.job.job_id;
    assert!(
        has(&format!("run{{run=1 job_id={job} group=daily:09:00 UTC nominal=2026-12-01T09:00}}")),
        "{lines:?}"
    );
    let chunk = format!("chunk{{chunk=1 run=1 job_id={job} group=daily:09:00 UTC tenants=3}}");
    assert!(has(&chunk), "{lines:?}");
    assert!(has(&format!("{chunk}:call{{purpose_id=write tenants=1}}")), "{lines:?}");
    let names_a_user = |line: &String| ["u0", "u1", "u2"].iter().any(|user| line.contains(user));
    assert!(!lines.iter().any(names_a_user), "{lines:?}");
}
