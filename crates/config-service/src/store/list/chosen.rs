//! Lists of tenants as of an instant, whatever they prefer (T13).

use cohort_preferences::TenantFilter;
use jiff::Timestamp;

/// Asks for tenants, whatever they prefer: for those of a filter, or that never stated a preference
/// (T13).
#[derive(Debug, Clone)]
pub(crate) struct ChosenQuery {
    /// Which ones; labels and zones are those of now.
    pub(crate) filter: TenantFilter,
    /// As of which instant, in whole microseconds.
    pub(crate) as_of: Timestamp,
    /// Only tenants with a higher number.
    pub(crate) after: u64,
    /// At most so many.
    pub(crate) limit: usize,
}

impl ChosenQuery {
    /// Returns the last tenant number that a page looks at, of at most so many looks. Numbers have
    /// no gaps, so that a range of them bounds the looks; tenants that are named are found without
    /// a look at others.
    pub(crate) fn last_look(&self, most_looks: u64) -> u64 {
        if self.filter.tenant_ids.is_empty() {
            self.after.saturating_add(most_looks)
        } else {
            i64::MAX as u64
        }
    }
}

/// Some of the tenants of a [`ChosenQuery`].
#[derive(Debug, Clone)]
pub(crate) struct ChosenPage {
    /// Ascending by number.
    pub(crate) tenants: Vec<ChosenTenant>,
    /// The size of the whole list, counted apart from it, on the first page and on the last (M8).
    pub(crate) count_as_of: Option<u64>,
    /// The last number that was looked at, if tenants follow behind it: a page ends after so many
    /// looks, too.
    pub(crate) more_after: Option<u64>,
    /// The feed's position.
    pub(crate) position: String,
}

impl ChosenPage {
    /// Returns the page that these tenants make, where numbers up to `last_look` were looked at and
    /// `newest` is the last there is.
    pub(crate) fn of(
        query: &ChosenQuery,
        tenants: Vec<ChosenTenant>,
        last_look: u64,
        newest: u64,
        position: String,
    ) -> Self {
        let more_after = match tenants.last() {
            Some(last) if tenants.len() == query.limit => Some(last.number),
            _ => (newest > last_look).then_some(last_look),
        };
        Self { tenants, count_as_of: None, more_after, position }
    }

    /// Returns whether the whole list is counted for this page: to count costs as much as to list.
    pub(crate) fn is_counted(&self, query: &ChosenQuery) -> bool {
        query.after == 0 || self.more_after.is_none()
    }
}

/// A tenant of a [`ChosenPage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChosenTenant {
    /// Its number.
    pub(crate) number: u64,
    /// Its id, or what stands for it once it is erased.
    pub(crate) tenant_id: String,
    /// Since when it has been there.
    pub(crate) since: Timestamp,
    /// Whether it has been erased since the instant of the list.
    pub(crate) is_erased: bool,
}
