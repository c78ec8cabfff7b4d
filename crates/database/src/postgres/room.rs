//! How much room a schema takes on the server (F13).

use super::handle::Postgres;
use super::statement::query_one;
use crate::disk_usage::DiskUsage;
use crate::error::DatabaseError;

const SIZE: &str = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint AS bytes
                    FROM pg_class
                    WHERE relnamespace = to_regnamespace($1::text) AND relkind IN ('r', 'm')";

impl Postgres {
    /// Returns how many bytes the schema's tables and indexes have. The server's log and disk are
    /// not seen from here.
    pub async fn disk_usage(&self) -> Result<DiskUsage, DatabaseError> {
        let row = query_one(&*self.read().await?, SIZE, &[&self.schema().as_str()]).await?;
        let bytes: i64 = row.try_get("bytes")?;
        Ok(DiskUsage { database_bytes: bytes.cast_unsigned(), log_bytes: None, disk: None })
    }
}
