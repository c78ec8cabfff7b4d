//! Groups and their members as of an instant (M1, M8).

pub(super) mod check;
pub(super) mod list;
pub(super) mod member_lists;
pub(super) mod members;
mod named;
mod page;
pub(super) mod users;
