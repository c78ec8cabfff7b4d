//! What somebody who listens for news of a database has heard.

/// What a listener has heard so far. A new value is a reason to read the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What came with the last notification; `None` before the first.
    pub payload: Option<String>,
    /// How often the connection has been made, 1 at first. When it rises, notifications may have
    /// been missed.
    pub connections: u64,
}
