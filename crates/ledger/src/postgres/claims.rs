//! Renews claims and hands chunks back, on PostgreSQL.

use cohort_database::GenericClient;
use jiff::Timestamp;

use super::named::{execute, named, query};
use super::row::runs_of;
use crate::rows::micros;
use crate::states::{CLAIMED, FREE_CHUNK};
use crate::{Claim, LedgerError, RunId};

/// Passes over a chunk that is just being recorded or rescued: neither needs the claim any more.
pub(super) async fn renew_claims(
    db: &impl GenericClient,
    claim: &Claim,
    chunks: &[i64],
) -> Result<(), LedgerError> {
    let renew = format!(
        "UPDATE chunk
         SET lease_until = :lease_until
         WHERE id IN (
             SELECT id
             FROM chunk
             WHERE id = ANY(:chunks)
                 AND state = '{CLAIMED}'
                 AND holder = :holder
                 AND lease_until >= :now
             FOR UPDATE SKIP LOCKED
         )"
    );
    let values = named! {
        chunks: chunks,
        holder: claim.holder,
        lease_until: micros(claim.lease_until),
        now: micros(claim.at),
    };
    execute(db, &renew, values).await?;
    Ok(())
}

/// The runs of the chunks that were released, one for each.
pub(super) async fn release_chunks(
    db: &impl GenericClient,
    holder: &str,
    now: Timestamp,
) -> Result<Vec<RunId>, LedgerError> {
    let release = format!(
        "UPDATE chunk
         SET {FREE_CHUNK}, ready_at = least(ready_at, :now)
         FROM (
             SELECT id
             FROM chunk
             WHERE state = '{CLAIMED}' AND holder = :holder
             ORDER BY id
             FOR UPDATE
         ) held
         WHERE held.id = chunk.id AND state = '{CLAIMED}' AND holder = :holder
         RETURNING run"
    );
    Ok(runs_of(&query(db, &release, named! { holder: holder, now: micros(now) }).await?))
}
