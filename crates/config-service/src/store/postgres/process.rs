//! What all parts of a store share in one process.

use std::sync::Arc;

use cohort_database::Postgres;
use cohort_preferences::Clock;

use super::signals::Signals;
use super::stamps::Stamps;
use crate::store::names::Names;

/// What all parts of a store share in one process.
pub(super) struct Process {
    pub(super) db: Postgres,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) names: Names,
    pub(super) stamps: Stamps,
    pub(super) signals: Signals,
}
