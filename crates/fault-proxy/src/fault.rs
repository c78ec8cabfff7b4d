//! The faults that a proxy makes.

use std::time::Duration;

/// What is done to connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    None,
    /// Connections are refused; open ones are reset.
    Refuse,
    /// A connection is reset after so many bytes of the server's answers, counted from now or from
    /// its beginning.
    ResetAfter(usize),
    /// Each piece of data waits so long, in both directions.
    Latency(Duration),
    /// Open connections stay open and carry nothing any more; new ones are accepted and never
    /// answered.
    Silence,
    /// Whoever sends or is sent something gets these bytes in place of an answer, and then the end
    /// of the connection. The server is not asked.
    Garbage(Vec<u8>),
}
