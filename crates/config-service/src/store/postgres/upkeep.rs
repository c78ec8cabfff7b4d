//! The proof that the schema can be written, on PostgreSQL (F12).

use cohort_database::Reader;
use cohort_database::statement::execute;

use crate::error::Result;

/// Writes a row that is there for this only.
pub(super) async fn prove_writable(connection: &Reader) -> Result<()> {
    execute(&**connection, "UPDATE write_probe SET writes = writes + 1", &[]).await?;
    Ok(())
}
