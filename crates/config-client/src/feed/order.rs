//! Whether a page goes on where it was asked to.

use cohort_preferences::{ChangePage, is_later_cursor};

/// The cursor that means "from here on".
pub(super) const NOW: &str = "now";

/// Says what is wrong with a page that does not go on where it was asked to.
pub(super) fn check_order(since: Option<&str>, page: &ChangePage) -> Result<(), String> {
    let mut last = since.filter(|since| *since != NOW);
    for position in page.changes.iter().map(|change| &change.id).chain([&page.next]) {
        if last.is_some_and(|last| is_later_cursor(last, position)) {
            return Err(format!(
                "the feed runs backwards, from {} to {position}",
                last.unwrap_or_default()
            ));
        }
        last = Some(position);
    }
    Ok(())
}
