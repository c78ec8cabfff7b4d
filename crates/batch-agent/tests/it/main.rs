//! The agent by its behaviour: the real scheduler, processor and SQLite ledger in simulated time, between a Config
//! Database ([`source`]) and a handler ([`handler`]) that are the tests' own and can be told to misbehave.
//!
//! [`stage`] puts them together. Each module proves one part of the semantics and names the rules by their ids. An agent
//! "dies" by being dropped while it waits for an answer that never comes: its claims stay open in the file.

mod chunks;
mod consent;
mod faults;
mod handler;
mod http;
mod ledger;
mod membership;
mod restart;
mod retries;
mod source;
mod stage;
