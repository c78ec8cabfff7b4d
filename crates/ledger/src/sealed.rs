//! Who may implement a ledger: this crate, which can then add to its traits without breaking
//! anybody. A test of another crate may too, with the feature `testing`.

/// A ledger of this crate, or one that a test puts before it.
pub trait Sealed: Send + Sync {}
