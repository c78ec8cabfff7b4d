//! Takes a tenant out of everything (W8).

use cohort_database::Transaction;
use cohort_database::statement::execute;
use cohort_preferences::TenantId;

use super::tenant::tenant;
use super::writer::Writer;
use crate::error::Result;
use crate::store::edit::{Erased, Tenant};

/// Deletes everything of a tenant and takes its name and content away (W8); counts and numbers
/// stay. Returns `None` if there is no such tenant.
pub(super) async fn erase(
    writer: &mut Writer<'_>,
    name: &TenantId,
    actor: &str,
) -> Result<Option<Erased>> {
    let Some(mut tenant) = tenant(writer.db(), name).await? else { return Ok(None) };
    let Some(number) = tenant.number else { return Ok(None) };
    let preferences = tenant.live().count() as u64;
    let (at, planned) = writer.plan(|plan| {
        plan.erase(&mut tenant, actor);
        plan.stamp()
    });
    writer.write(&planned).await?;
    let changes = empty_history(writer.db(), &tenant).await?;
    let forget =
        "UPDATE tenant SET tenant_id = NULL, timezone = NULL, erased_at = $2 WHERE id = $1";
    execute(writer.db(), forget, &[&number, &at.as_microsecond()]).await?;
    Ok(Some(Erased { number, at, preferences, changes }))
}

/// Takes the content out of every change row of a tenant, and returns of how many.
async fn empty_history(db: &Transaction<'_>, tenant: &Tenant) -> Result<u64> {
    let newest =
        tenant.preferences.values().map(|current| current.change).chain(tenant.profile_change);
    let empty = "WITH RECURSIVE chain AS (
             SELECT id, previous FROM change WHERE id = ANY($1)
             UNION ALL SELECT change.id, change.previous FROM chain
             JOIN change ON change.id = chain.previous)
         UPDATE change SET preference = NULL FROM chain WHERE change.id = chain.id";
    Ok(execute(db, empty, &[&newest.collect::<Vec<i64>>()]).await?)
}
