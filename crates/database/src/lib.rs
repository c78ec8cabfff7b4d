#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! [`Sqlite`] and [`Postgres`] are the handles, [`Migrations`] is what a program brings along. No
//! table of ours is known here.

mod disk_usage;
mod error;
mod fault;
mod fingerprint;
mod heard;
mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
mod real_time;
mod rows;
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
mod transfer;
mod transfer_error;

pub use disk_usage::{DiskSpace, DiskUsage};
pub use error::DatabaseError;
pub use fault::FaultCause;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use heard::Heard;
pub use migrations::Migrations;
#[cfg(feature = "postgres")]
pub use postgres::{
    Connection, GenericClient, Planning, Postgres, PostgresOptions, Reader, SchemaName,
    Transaction, limits, statement, table,
};
pub use real_time::within_real_time;
pub use refinery::embed_migrations;
pub use semver::Version;
pub use sqlite::{Sqlite, SqliteOptions, wait_for_closing_files};
#[cfg(feature = "testing")]
pub use transfer::unplanned;
pub use transfer::{Place, Rules, Transfer, TransferProgress, Transferred};
pub use transfer_error::TransferError;
