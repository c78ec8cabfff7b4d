//! What is set right in a copy on SQLite.

/// The incarnation moves to those that the database was copied from, and whoever opens the copy
/// draws another. Up to the last gap in the numbers, changes may have been removed.
pub(crate) const FINISH_COPY: &str = "
    INSERT INTO meta (key, value)
        SELECT 'copied_from', trim(coalesce((SELECT value FROM meta WHERE key = 'copied_from'), '')
            || ' ' || value)
        FROM meta WHERE key = 'incarnation'
        ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    DELETE FROM meta WHERE key = 'incarnation';
    INSERT INTO meta (key, value)
        SELECT 'oldest_kept', max(id) - 1 FROM change
        WHERE id > 1 AND NOT EXISTS (SELECT 1 FROM change AS p WHERE p.id = change.id - 1)
        HAVING max(id) IS NOT NULL
        ON CONFLICT (key) DO UPDATE
            SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER));";
