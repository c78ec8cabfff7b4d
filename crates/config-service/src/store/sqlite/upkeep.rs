//! The proof that the file can be written, on SQLite (F12).

use rusqlite::Connection;

use crate::error::Result;

/// Writes a row that is there for this only. Its value is always another: SQLite does not write a
/// page that stays the same.
pub(super) fn prove_writable(tx: &Connection) -> Result<()> {
    tx.prepare_cached("UPDATE write_probe SET writes = writes + 1")?.execute([])?;
    Ok(())
}
