//! Members of groups as of an instant (M1).
//!
//! The members of a group as of T are those who are in it now and joined at or before T, and those
//! who left it after T and had joined at or before T. The first kind stands in an index by group
//! and tenant number, the second in change rows, of which there are few for an instant just past.
//! Both are merged by number and cut to the page. Only then are names and preferences read, so that
//! a page costs what it holds and not what the group holds.

mod count;
mod find;
mod list;
mod moved;
mod read;

pub(super) use self::list::{list, lists};
pub(super) use self::moved::moved;
