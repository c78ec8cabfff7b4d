//! What a write changes, decided on values: both databases do the same because neither decides.
//!
//! ```text
//! store reads tenants ─► Plan: edit, import, erase … ─► Rows ─► store writes rows
//! ```
//!
//! The rows of one plan share one stamp, but if it changes a preference twice the second change
//! takes a new one, so that memberships are never empty intervals (M1). Joins and leaves are summed
//! per stamp: a group's count is written once for each (M8). Groups and features are named by what
//! they are; the store knows their numbers.

mod import;
mod planner;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use self::planner::{Head, Plan, Tenants};
pub(crate) use self::rows::{ChangeRow, Move, PreferenceRow, ProfileRow, Rows, TenantRow};
