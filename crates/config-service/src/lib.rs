//! The Config Database: what users prefer, in which groups that puts them, and who was in a group
//! at any instant.
//!
//! ```text
//! api ─► service ─► store (trait Store) ◄─ store/sqlite, store/postgres
//! ```
//!
//! `service` decides, and knows neither HTTP nor SQL. SQL stands in `store/sqlite` and
//! `store/postgres` only, the status codes of errors in `api/error` only. A document, its group
//! rows and its change row are written in one transaction. The change feed, by which agents learn
//! of changes, is read from the same rows as the history.

mod address;
mod already_ran;
mod api;
mod copying;
mod cursor;
mod error;
mod import;
mod key;
mod lifetime;
mod limits;
mod metrics;
mod precondition;
mod receipt;
mod registry;
mod service;
mod store;

pub use address::{DatabaseAddress, DatabaseAddressError};
pub use api::error::unknown_route;
pub use copying::{CopyError, Transferred, copy_config_database, verify_config_database};
pub use error::ConfigServiceError;
pub use key::Scope;
pub use service::{ConfigService, ConfigServiceOptions};

/// The example of the README, which must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
