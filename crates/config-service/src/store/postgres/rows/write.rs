//! Writes everything that was planned.

use cohort_database::Transaction;

use super::changes::{insert_changes, insert_tenants};
use super::known::{Known, learn};
use super::moves::write_moves;
use super::preferences::write_preferences;
use super::profiles::write_profiles;
use crate::error::Result;
use crate::store::names::{Learned, Names};
use crate::store::plan::Rows;

/// Writes everything that was planned. The names that it learns may be kept only after the commit.
pub(in crate::store::postgres) async fn write(
    db: &Transaction<'_>,
    names: &Names,
    learned: &mut Learned,
    rows: &Rows,
) -> Result<()> {
    learn(db, names, learned, rows).await?;
    let known = Known { names, learned };
    // Sent together, so that they cost one way to the server and back.
    tokio::try_join!(
        insert_tenants(db, &rows.tenants),
        insert_changes(db, &known, &rows.changes),
        write_preferences(db, &known, rows),
        write_moves(db, &known, &rows.moves),
    )?;
    write_profiles(db, &rows.profiles).await
}
