#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! ```text
//! client ─► FaultProxy (127.0.0.1, a free port) ─► server
//!               ▲
//!               └── set(Fault::…) at any time, by the test
//! ```
//!
//! A fault holds from the moment at which [`FaultProxy::set`] returns, for open connections and for
//! new ones, until the next is set. A connection that was reset or silenced stays so: only new
//! connections find the fault gone. A connection is new when the proxy accepts it, which
//! [`FaultProxy::has_accepted`] waits for. While connections are refused the proxy keeps its port,
//! so that nobody else can get it.
//!
//! It knows nothing of HTTP: bytes in, bytes out. It listens on loopback only and ends when it is
//! dropped, with every connection.

mod connection;
mod fault;
mod listening;
mod proxy;
mod state;

pub use fault::Fault;
pub use proxy::FaultProxy;
