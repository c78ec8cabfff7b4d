//! What is set right in a copy on SQLite.

use crate::recovery::RecoveryState;

/// Returns the statements: whoever opens the copy draws an incarnation, the feed begins before what
/// is kept of it, and numbers of it are not given again.
pub(crate) fn finish_copy(mark: Option<(RecoveryState, i64)>) -> String {
    let mark = mark.map_or_else(String::new, |(state, as_of)| {
        let state = state.as_str();
        format!(
            "DELETE FROM recovery;
             INSERT INTO recovery (as_of, state) VALUES ({as_of}, '{state}');"
        )
    });
    format!(
        "DELETE FROM incarnation;
         UPDATE feed_pruned
         SET settlement =
             min(settlement, coalesce((SELECT min(id) - 1 FROM settlement), settlement));
         DELETE FROM sqlite_sequence WHERE name = 'settlement';
         INSERT INTO sqlite_sequence (name, seq)
             SELECT 'settlement', max(settlement, coalesce((SELECT max(id) FROM settlement), 0))
             FROM feed_pruned;
         {mark}"
    )
}
