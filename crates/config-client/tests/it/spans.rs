//! Each attempt has a span that says what was asked, and names no tenant.

use std::io;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::server::{Server, document, ok};

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
    /// The lines that end a span.
    fn ended_spans(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().expect("no panic holds it")).into_owned();
        text.lines().filter(|line| line.contains("close")).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_attempt_has_a_span_with_its_route_and_status() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("cohort_config_client=debug")
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let server = Server::answering(|request| match request.before {
        0 => StatusCode::BAD_GATEWAY.into_response(),
        _ => ok(&document("user123", "09:00")),
    })
    .await;
    server.client().get_user_preferences("user123").await.expect("the second attempt");
    drop(guard);

    let spans = log.ended_spans();
    let route = r#"method=GET route="/tenants/{tenant_id}/configs/feature_preferences""#;
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert!(spans[0].contains(&format!("{route} attempt=1 status=502")), "{spans:?}");
    assert!(spans[1].contains(&format!("{route} attempt=2 status=200")), "{spans:?}");
    assert!(spans.iter().all(|span| !span.contains("user123")), "{spans:?}");
}
