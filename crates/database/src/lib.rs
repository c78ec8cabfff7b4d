#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! [`Sqlite`] and [`Postgres`] are the handles, [`Migrations`] is what a program brings along. No
//! table of ours is known here.

mod error;
mod migrations;
mod postgres;
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;

pub use deadpool_postgres::{GenericClient, Transaction};
pub use error::DatabaseError;
pub use migrations::Migrations;
pub use postgres::{
    Connection, Heard, Planning, Postgres, PostgresOptions, Reader, SchemaName, statement, table,
};
pub use refinery::embed_migrations;
pub use semver::Version;
pub use sqlite::{Sqlite, SqliteOptions};
