//! What is put on record: what was refused, and what only an admin may ask (W4).

use std::io;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use cohort_config_service::Scope;
use tracing::subscriber::DefaultGuard;

use crate::Fixture;

/// What was logged in this test.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<u8>>>);

impl io::Write for Record {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Record {
    /// Begins to record what this thread logs, until the guard is dropped.
    fn begin() -> (Self, DefaultGuard) {
        let record = Self::default();
        let writer = record.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (record, tracing::subscriber::set_default(subscriber))
    }

    /// The lines of the audit since the last call.
    fn lines(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.0.lock().expect("no panic"));
        let text = String::from_utf8(text).expect("text");
        text.lines()
            .filter_map(|line| line.split_once(" audit: "))
            .map(|(_, line)| line.to_owned())
            .collect()
    }
}

#[tokio::test]
async fn an_act_of_an_admin_is_on_record_with_key_route_and_status() {
    let fixture = Fixture::new().await;
    let (record, _guard) = Record::begin();
    fixture.get("/api-keys").await;
    fixture.call(Method::DELETE, "/api-keys/99", "").await.problem(404);
    let expected = [
        r#"asked key="1" method=GET route="/api-keys" status=200"#,
        r#"asked key="1" method=DELETE route="/api-keys/{id}" status=404"#,
    ];
    assert_eq!(record.lines(), expected);
}

#[tokio::test]
async fn a_refusal_is_on_record_and_never_the_text_of_a_key() {
    let mut fixture = Fixture::new().await;
    fixture.key = fixture.service.create_key("guest", Scope::Read).await.expect("stores");
    let (record, _guard) = Record::begin();
    fixture.call(Method::DELETE, "/tenants/ann/preferences/posts", "").await.problem(403);
    assert_eq!(
        record.lines(),
        [concat!(
            r#"asked key="2" method=DELETE "#,
            r#"route="/tenants/{tenant_id}/preferences/{feature_type}" status=403"#
        )]
    );
    fixture.key = "cohort_guess".into();
    fixture.get("/tenants/ann/history").await.problem(401);
    assert_eq!(
        record.lines(),
        [r#"asked key="none" method=GET route="/tenants/{tenant_id}/history" status=401"#]
    );
}

#[tokio::test]
async fn what_a_key_may_ask_is_counted_and_not_on_record() {
    let fixture = Fixture::new().await;
    let (record, _guard) = Record::begin();
    fixture.get("/preferences/changes").await;
    assert!(record.lines().is_empty());
}
