//! Opening and migrating a database. No table of ours is known here.

mod error;
mod sqlite;

pub use error::DatabaseError;
pub use refinery::{Runner as Migrations, embed_migrations};
pub use sqlite::{Sqlite, SqliteOptions};
