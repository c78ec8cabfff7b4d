//! A user whose call is prepared, and waits for its turn.

use cohort_ledger::{OpenMember, UsedSettings};

use crate::handler::UserShare;

/// A user who is to be called.
pub(super) struct Call {
    pub(super) member: OpenMember,
    pub(super) used: UsedSettings,
    pub(super) user: UserShare,
}
