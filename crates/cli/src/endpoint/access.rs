//! What a command means to do.

/// What a command means to do at an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Only read.
    Look,
    /// Only read, and let the agent ask the Config Database.
    LookAsAgent,
    /// Write too.
    Change,
}
