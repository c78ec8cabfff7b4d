//! Finds members by number, before their names and preferences are read.

use cohort_database::Transaction;
use tokio_postgres::Row;

use crate::error::Result;
use crate::store::postgres::row::{FromRow, query};

/// A member before its name and preference are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) tenant: i64,
    pub(super) since: i64,
    /// The change of the preference in force now; `None` where it has to be looked up, because the
    /// user has left since.
    pub(super) change: Option<i64>,
}

/// A member and its group.
pub(super) struct FoundInGroup {
    pub(super) found: Found,
    pub(super) group: i64,
}

impl FromRow for FoundInGroup {
    fn from_row(row: &Row) -> Result<Self> {
        let found = Found {
            tenant: row.get("tenant"),
            since: row.get("since"),
            change: row.get("change_id"),
        };
        Ok(Self { found, group: row.get("group_id") })
    }
}

/// Returns the first `limit` members behind the tenant number `after`, each with its group: those
/// who left later, and those who are still there.
pub(super) async fn find(
    db: &Transaction<'_>,
    groups: &[i64],
    as_of: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<FoundInGroup>> {
    let select = "SELECT tenant, left_since AS since, NULL AS change_id, left_group AS group_id
         FROM change
         WHERE left_group = ANY($1) AND at > $2 AND left_since <= $2 AND tenant > $3
         UNION ALL
         SELECT present.* FROM unnest($1::bigint[]) AS asked (id)
         CROSS JOIN LATERAL (
             SELECT tenant, group_since, change_id, group_id FROM preference
             WHERE group_id = asked.id AND tenant > $3 AND group_since <= $2
             ORDER BY group_id, tenant LIMIT $4) AS present
         ORDER BY tenant LIMIT $4";
    query(db, select, &[&groups, &as_of, &after, &(limit as i64)]).await
}
