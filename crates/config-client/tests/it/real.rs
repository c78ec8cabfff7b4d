//! A real Config Database, with a proxy before it that makes faults.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cohort_config_client::{ClientBuilder, ConfigDatabaseClient};
use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};
use cohort_fault_proxy::{Fault, FaultProxy};
use cohort_preferences::Clock;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

/// A clock that moves a microsecond each time that it is asked.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.fetch_add(1, Ordering::SeqCst)).expect("in range")
    }
}

pub(crate) struct ConfigDatabase {
    pub(crate) proxy: FaultProxy,
    direct: ConfigDatabaseClient,
    key: String,
    _folder: TempDir,
}

impl ConfigDatabase {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(Ticking(AtomicI64::new(1_800_000_000_000_000)));
        let options = ConfigServiceOptions::sqlite(folder.path().join("config.db"), clock);
        let service = ConfigService::open(options).await.expect("opened");
        let key = service.create_key("client", Scope::Admin).await.expect("made");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(axum::serve(listener, service.router()).into_future());
        let proxy = FaultProxy::before(address).expect("a free port");
        let direct = ConfigDatabaseClient::builder(format!("http://{address}/api/v1"))
            .api_key(&key)
            .build()
            .expect("valid");
        Self { proxy, direct, key, _folder: folder }
    }

    /// A client that reaches it through the proxy.
    pub(crate) fn builder(&self) -> ClientBuilder {
        ConfigDatabaseClient::builder(format!("http://{}/api/v1", self.proxy.address()))
            .api_key(&self.key)
    }

    /// A client that no fault can touch.
    pub(crate) fn direct(&self) -> &ConfigDatabaseClient {
        &self.direct
    }

    /// Stores a preference, past the proxy.
    pub(crate) async fn set(&self, tenant: &str, time: &str) {
        let preference = json!({"frequency": "daily", "preferred_time": time, "timezone": "UTC"});
        self.direct
            .set_feature_preference(tenant, "instagram_posts", &preference)
            .await
            .expect("stored");
    }
}

/// An answer that no Config Database gives, as a login page of a proxy is.
pub(crate) fn a_login_page() -> Fault {
    let page = "<html>Please log in</html>";
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n",
        page.len()
    );
    Fault::Garbage(format!("{head}{page}").into_bytes())
}

/// An answer of JSON that ends in the middle.
pub(crate) fn cut_json() -> Fault {
    let page = r#"{"tenant_id":"ann","config_key":"feature_preferences","config_value":{"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n",
        page.len()
    );
    Fault::Garbage(format!("{head}{page}").into_bytes())
}
