//! Renews claims and hands chunks back, on SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::rows::micros;
use crate::states::{CLAIMED, FREE_CHUNK};
use crate::{Claim, LedgerError};

pub(super) fn renew_claims(
    tx: &Connection,
    claim: &Claim,
    chunks: &[i64],
) -> Result<(), LedgerError> {
    let mut statement = tx.prepare_cached(&format!(
        "UPDATE chunk
         SET lease_until = ?2
         WHERE id = ?4 AND state = '{CLAIMED}' AND holder = ?1 AND lease_until >= ?3"
    ))?;
    let (lease_until, now) = (micros(claim.lease_until), micros(claim.at));
    for chunk in chunks {
        statement.execute(params![claim.holder, lease_until, now, chunk])?;
    }
    Ok(())
}

pub(super) fn release_chunks(
    tx: &Connection,
    holder: &str,
    now: Timestamp,
) -> Result<usize, LedgerError> {
    let release = format!(
        "UPDATE chunk
         SET {FREE_CHUNK}, ready_at = min(ready_at, ?2)
         WHERE state = '{CLAIMED}' AND holder = ?1"
    );
    Ok(tx.prepare_cached(&release)?.execute(params![holder, micros(now)])?)
}
