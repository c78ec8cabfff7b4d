//! What is set right in a copy on PostgreSQL.

/// The incarnation moves to those that the database was copied from, and whoever opens the copy
/// draws another. Up to the last gap in the numbers, changes may have been removed.
pub(crate) const FINISH_COPY: &str = "
    INSERT INTO meta (key, value)
        SELECT 'copied_from', trim(coalesce((SELECT value FROM meta WHERE key = 'copied_from'), '')
            || ' ' || value)
        FROM meta WHERE key = 'incarnation'
        ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    DELETE FROM meta WHERE key = 'incarnation';
    INSERT INTO head (only_row, stamp, change_id, tenant_id, oldest_kept, admissions)
        SELECT 1,
            coalesce((SELECT max(at) FROM change), 0),
            coalesce((SELECT max(id) FROM change), 0),
            coalesce((SELECT max(id) FROM tenant), 0),
            greatest(
                coalesce((SELECT value::bigint FROM meta WHERE key = 'oldest_kept'), 0),
                coalesce((SELECT max(id) - 1 FROM change WHERE id > 1 AND NOT EXISTS (
                    SELECT FROM change AS p WHERE p.id = change.id - 1)), 0)),
            0;";
