//! The agent of this process, whether it has the process to itself or not.
//!
//! ```text
//! AgentArgs ─ settings ─► AgentSettings ─┐
//! ledger, clock, Holder ─────────────────┴► AgentSetup ─ prepare ─► PreparedAgent ─ work ─► …
//! ```
//!
//! Settings are read before anything is written: wrong ones leave no trace.

mod args;
mod holder;
mod prepared;
mod setup;

pub(crate) use self::args::AgentArgs;
pub(crate) use self::holder::Holder;
pub(crate) use self::prepared::PreparedAgent;
pub(crate) use self::setup::AgentSetup;
