//! A data folder with users whose occurrence has just passed.
//!
//! Users and job are stored as of an hour before it, so that the service catches up (F1).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cohort_batch_agent::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, SqliteLedger,
    SystemClock, idempotency_key,
};
use cohort_config_client::ConfigDatabaseClient;
use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};
use cohort_preferences::{Clock, NominalTime, TenantId};
use futures_util::TryStreamExt;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::cohort;
use crate::serving::Up;

const JOB: &str = "posts_job";

/// The zones of the users, in turn.
pub(crate) const ZONES: [&str; 2] = ["UTC", "Asia/Kolkata"];

/// Users called and not yet answered, at most: the default.
pub(crate) const AT_ONCE: usize = 25;

/// Returns a field that has to be a text.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}")).to_owned()
}

/// A clock that stands.
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A data folder with users whose occurrence has just passed, and with a job that knows them since
/// an hour before it.
pub(crate) struct Folder {
    folder: TempDir,
    /// The key of each user's work.
    expected: BTreeMap<String, String>,
}

impl Folder {
    pub(crate) async fn with_users(count: usize, job_type: &str, url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemClock.now();
        let due = Timestamp::from_second(now.as_second() / 60 * 60 - 300).expect("in range");
        let before = due - SignedDuration::from_hours(1);
        store_users(&folder.path().join("data"), before, due, count).await;
        let ledger =
            SqliteLedger::open(&folder.path().join("data/ledger.db"), false).expect("opens");
        ledger.store_definitions(applied(job_type, before)).await.expect("stored");
        std::fs::write(folder.path().join("batch.json"), batch_config(job_type, url))
            .expect("written");
        let expected = (0..count).map(|number| (tenant(number), key(number, due))).collect();
        Self { folder, expected }
    }

    /// Expects no success of a user any more.
    pub(crate) fn forget(&mut self, tenant: &str) {
        self.expected.remove(tenant);
    }

    /// Returns the key of each user's work.
    pub(crate) fn expected(&self) -> &BTreeMap<String, String> {
        &self.expected
    }

    /// Gives the purpose another handler from the next start on.
    pub(crate) fn set_purpose(&self, purpose: &Value) {
        let config = json!({"batch_processing_jobs": [job("individual_batch")],
            "purposes": {"posting": purpose}});
        std::fs::write(self.folder.path().join("batch.json"), config.to_string()).expect("written");
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn start(&self) -> Up {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, environment: &[(&str, &str)]) -> Up {
        Up::start(
            &self.data(),
            &["--batch-config", self.folder.path().join("batch.json").to_str().expect("text")],
            environment,
        )
    }

    /// Returns the users who have an outcome, from the files of a folder that nobody serves.
    pub(crate) fn recorded(&self) -> BTreeSet<String> {
        let listed =
            cohort(&["outcomes", "--data", self.data().to_str().expect("text"), "--json"], "");
        assert_eq!(listed.code, 0, "{}", listed.stderr);
        let outcomes: Vec<Value> =
            listed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let tenants: BTreeSet<String> =
            outcomes.iter().map(|outcome| text(outcome, "tenant_id")).collect();
        assert_eq!(tenants.len(), outcomes.len(), "one outcome a user");
        tenants
    }
}

fn tenant(number: usize) -> String {
    format!("user-{number:04}")
}

fn local(number: usize, due: Timestamp) -> (&'static str, DateTime) {
    let zone = ZONES[number % ZONES.len()];
    (zone, TimeZone::get(zone).expect("known").to_datetime(due))
}

fn key(number: usize, due: Timestamp) -> String {
    let (zone, local) = local(number, due);
    let nominal: NominalTime =
        local.strftime("%Y-%m-%dT%H:%M").to_string().parse().expect("a nominal time");
    let tenant: TenantId = tenant(number).parse().expect("a name");
    idempotency_key(&JOB.parse().expect("a name"), &tenant, nominal, zone)
}

async fn store_users(data: &Path, before: Timestamp, due: Timestamp, count: usize) {
    std::fs::create_dir_all(data).expect("made");
    let options = ConfigServiceOptions::sqlite(data.join("config.db"), Arc::new(Standing(before)));
    let service = ConfigService::open(options).await.expect("opened");
    let secret = service.create_key("test", Scope::Admin).await.expect("made");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let client = ConfigDatabaseClient::builder(format!("http://{address}/api/v1")).api_key(secret);
    let serving = tokio::spawn(axum::serve(listener, service.router()).into_future());
    let lines: String = (0..count).map(|number| line(number, due)).collect();
    let results = client
        .build()
        .expect("a client")
        .import(std::io::Cursor::new(lines.into_bytes()))
        .await
        .expect("taken");
    assert_eq!(results.try_collect::<Vec<_>>().await.expect("answered").len(), count);
    // Nobody else is to hold the files when the service starts on them.
    serving.abort();
}

/// Returns a user's line of an import, due at this instant.
pub(crate) fn line(number: usize, due: Timestamp) -> String {
    let (zone, local) = local(number, due);
    let time = local.strftime("%H:%M").to_string();
    let preference = json!({"frequency": "daily", "preferred_time": time, "timezone": zone});
    format!(
        "{}\n",
        json!({"tenant_id": tenant(number), "feature_type": "posts", "preference": preference})
    )
}

fn job(job_type: &str) -> Value {
    json!({"job_id": JOB, "type": job_type, "purpose_id": "posting", "preference_based": true,
        "feature_type": "posts"})
}

/// The job as it was applied at an instant: from then on it has something to catch up on.
fn applied(job_type: &str, at: Timestamp) -> DefinitionEdit {
    let (kind, name, document) = (DefinitionKind::Job, JOB.to_owned(), Some(job(job_type)));
    let definition =
        Definition { kind, name, version: 1, document, applied_at: at, applied_by: "test".into() };
    DefinitionEdit { based_on: 0, versions: vec![(Alteration::Created, definition)], start: None }
}

fn batch_config(job_type: &str, url: &str) -> String {
    json!({"batch_processing_jobs": [job(job_type)],
        "purposes": {"posting": {"handler": "http", "url": url}}})
    .to_string()
}
