//! The client of the Config Database, over HTTP: reads preferences, groups, members and changes, and writes preferences.
//!
//! ```text
//! caller ─► client ─► cache (documents only) ─► resilience (attempts) ─► transport (one request) ─► Config Database
//! ```
//!
//! * [`ConfigDatabaseClient`] is a handle: clones share connections and cache.
//! * Only whole documents ([`ConfigDatabaseClient::get_user_preferences`]) are cached, by TTL. Concurrent calls for one
//!   tenant make one request. Who follows the changes ([`ConfigDatabaseClient::get_preference_changes`]) through the same
//!   client has changed tenants dropped from the cache; without a follower a document is at most a TTL old.
//! * Reads and PUTs are attempted three times where a later attempt can succeed; other writes are sent once.
//! * What fails is a [`ClientError`] that names the request. An answer that is not what was asked for (a proxy's page,
//!   cut JSON, another tenant's document) is an error and never an empty result.
//!
//! It deliberately does not follow redirects, use proxies from the environment, or validate preferences before a PUT:
//! the Config Database names what is wrong with them.

mod builder;
mod cache;
mod client;
mod error;
mod import;
mod key;
mod resilience;
mod tenants;
mod transport;
mod user_preferences;

pub use builder::ClientBuilder;
pub use client::{ConfigDatabaseClient, DocumentReceipt};
pub use error::{ClientError, Problem};
pub use import::{ImportLine, ImportStatus};
pub use key::{ApiKey, KeyInfo};
pub use user_preferences::UserPreferences;
