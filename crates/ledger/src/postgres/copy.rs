//! What is set right in a copy on PostgreSQL.

use crate::recovery::RecoveryState;

/// Returns the statements: whoever opens the copy draws an incarnation, and numbers of the feed are
/// not given again. All entries are of transactions that are over, and come before later ones.
pub(crate) fn finish_copy(mark: Option<(RecoveryState, i64)>) -> String {
    let mark = mark.map_or_else(String::new, |(state, as_of)| {
        let state = state.as_str();
        format!(
            "DELETE FROM recovery;
             INSERT INTO recovery (only_row, as_of, state) VALUES (1, {as_of}, '{state}');"
        )
    });
    format!(
        "DELETE FROM incarnation;
         UPDATE settlement SET transaction = 0 WHERE transaction <> 0;
         UPDATE feed_pruned
         SET transaction = 0,
             settlement = least(settlement, (SELECT min(id) - 1 FROM settlement));
         SELECT setval(
             pg_get_serial_sequence('settlement', 'id'),
             greatest(settlement, (SELECT max(id) FROM settlement)) + 1, false)
         FROM feed_pruned;
         {mark}"
    )
}
