//! Who an agent is among those of its ledger.

use uuid::Uuid;

/// The name under which an agent claims work in its ledger.
pub(crate) struct Holder {
    /// The name in its claims.
    pub(super) name: String,
    /// The name under which the ledger keeps what it was started with. All agents of one ledger
    /// have one batch config.
    pub(super) started_as: &'static str,
    /// Whether no other agent can be there.
    pub(super) is_alone: bool,
}

impl Holder {
    /// Returns the one agent of a ledger whose folder it has locked: whoever claimed work under its
    /// name before is gone.
    pub(crate) fn alone(name: &'static str) -> Self {
        Self { name: name.into(), started_as: name, is_alone: true }
    }

    /// Returns one of several agents of a ledger.
    ///
    /// Its name is of this process only, so that it never takes another's claims for its own. The
    /// claims of the process before it are rescued when their lease runs out (F3).
    pub(crate) fn one_of_several(name: &'static str) -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        Self {
            name: format!("{name}-{}-{}", std::process::id(), &unique[..12]),
            started_as: name,
            is_alone: false,
        }
    }
}
