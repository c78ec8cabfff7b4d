//! What a store writes: preferences and profiles of tenants, as they are and as they are wanted.

mod change;
mod stated;
mod tenant;

pub(crate) use self::change::{Decide, Edit, Edited, Erased, ImportRow, Wanted};
pub(crate) use self::stated::{Admitted, Stated, say_the_same};
pub(crate) use self::tenant::{AsStated, Current, Membership, Profile, Tenant};
