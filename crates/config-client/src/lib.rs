#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! ```text
//! caller ─► client ─► cache (documents only)
//!                       └─► resilience (attempts, breaker) ─► transport ─► Config Database
//! ```
//!
//! * [`ConfigDatabaseClient`] is a handle: clones share connections, cache and breaker.
//! * Only whole documents ([`ConfigDatabaseClient::get_user_preferences`]) are cached: by TTL, then
//!   confirmed by `ETag`, and given out marked as stale for a while when the service is away.
//!   Concurrent calls for one tenant make one request. Following the changes
//!   ([`ConfigDatabaseClient::follow_changes`]) on the same client also drops changed tenants from
//!   the cache. Without a follower, a document is at most a TTL old.
//! * Reads and PUTs are attempted three times where a later attempt can succeed; other writes are
//!   sent once. When too much has failed, nothing is sent for some seconds. A key that is refused
//!   (401, 403) is never tried again.
//! * What fails is a [`ClientError`] that names the request. A response that is not what was asked
//!   for (a proxy's page, cut JSON, another tenant's document, a list that does not add up) is an
//!   error and never an empty result.
//! * Each attempt has a span, `config_database_request`, with `method`, `route`, `attempt` and
//!   `status`. A span names no tenant.
//!
//! It deliberately does not follow redirects, use proxies from the environment, or validate
//! preferences before a PUT: the Config Database names what is wrong with them.

mod address;
mod builder;
mod cache;
mod client;
mod documents;
mod environment;
mod error;
mod features;
mod feed;
mod feed_options;
mod groups;
mod history;
mod import;
mod key;
mod members;
mod names;
mod preferences;
mod problem;
mod request;
mod resilience;
mod response;
mod retry_after;
mod tenants;
mod transport;
mod user_preferences;
mod verify;

pub use builder::ClientBuilder;
pub use client::ConfigDatabaseClient;
/// What calls take and return, from the vocabulary that all parts of Cohort share.
pub use cohort_preferences::{
    BatchGetResponse, Change, ChangeKind, ChangePage, DefaultPreferences, FeatureDefaults,
    FeatureDefinition, FeatureType, FieldError, Frequency, FrequencyError, GroupError, GroupList,
    GroupSummary, IdError, LabelName, Member, MemberLists, MemberListsRequest, MemberPage,
    MembersRequest, NextRun, OwnZone, Preference, PreferenceEntry, Receipt, StatedGroup,
    TenantFilter, TenantId, TenantMemberPage, TenantMembersRequest, TenantTimezone, TimeKey,
    TimeKeyError, WholeList, Zone,
};
pub use documents::DocumentReceipt;
pub use error::ClientError;
pub use features::RegisteredFeature;
pub use feed::FeedEvent;
pub use history::HistoryEntry;
pub use import::{ImportLine, ImportStatus};
pub use key::{ApiKey, KeyInfo};
pub use problem::Problem;
/// The status codes of [`ClientError`] and [`Problem`].
pub use reqwest::StatusCode;
pub use user_preferences::UserPreferences;
