//! How a command that looks at something or changes it reaches the service: over HTTP, or in this
//! process on the files of a data folder.
//!
//! ```text
//! --url, COHORT_AGENT_URL, CONFIG_SERVICE_URL ─► HTTP, key from CONFIG_SERVICE_API_KEY
//! --data DIR ─ a process holds DIR/lock ───────► HTTP to its address, key from DIR/admin.key
//!            └ no process does ────────────────► routers in this process, on the files in DIR
//! ```
//!
//! Either way a request meets the same routes, so that a command has one way to ask. To look, the
//! files are opened read-only; to change something the folder is locked first, as `cohort up` does.

mod access;
mod args;
mod client;
mod in_process;
mod pages;
mod request;
mod response;

pub(crate) use self::access::Access;
pub(crate) use self::args::EndpointArgs;
pub(crate) use self::client::Endpoint;
pub(crate) use self::pages::{List, Pages};
pub(crate) use self::request::{query, segment};
