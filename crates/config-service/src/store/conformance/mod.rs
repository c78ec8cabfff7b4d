//! What every store promises, as tests that run on each of them.

mod admission;
mod edits;
mod feed;
mod imports;
mod kit;
mod lists;
mod model;
pub(crate) mod upkeep;

pub(crate) use self::kit::{Hand, Promise, daily, everything, feature, names, put};

/// Every promise.
pub(crate) fn all() -> impl Iterator<Item = Promise> {
    [
        &edits::ALL[..],
        &feed::ALL[..],
        &model::ALL[..],
        &imports::ALL[..],
        &lists::ALL[..],
        &upkeep::ALL[..],
        &admission::ALL[..],
    ]
    .concat()
    .into_iter()
}
