//! What every ledger promises, as functions that are run on both databases.
//!
//! Each promise begins with an empty ledger, and with another handle to it, as a second process
//! would have one.
//!
//! The promises were seen to fail when the ledger on PostgreSQL was broken in one place after
//! another: a page is taken without a look at the cursor; chunks are claimed without a lock on
//! their rows; the statement that ends a claim does not check the token; skipped users are left out
//! where a run is closed; definitions are stored without a lock on the revision.

mod claiming;
mod completeness;
mod definitions;
mod fair;
pub(super) mod feed;
mod fixtures;
pub(super) mod health;
mod lists;
mod opening;
mod operations;
mod reading;
mod recording;
mod reruns;
mod status;

pub(super) use fixtures::Handles;
use fixtures::Promise;

/// Every promise.
pub(super) fn all() -> impl Iterator<Item = Promise> {
    opening::ALL
        .into_iter()
        .chain(reading::ALL)
        .chain(claiming::ALL)
        .chain(recording::ALL)
        .chain(operations::ALL)
        .chain(reruns::ALL)
        .chain(definitions::ALL)
        .chain(fair::ALL)
        .chain(feed::ALL)
        .chain(lists::ALL)
        .chain(completeness::ALL)
        .chain(health::ALL)
        .chain(status::ALL)
}
