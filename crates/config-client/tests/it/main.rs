//! The client against a server of the test's own, which responds as each test says, and against a
//! real Config Database behind a proxy that cuts, silences and garbles.

mod breaker;
mod cache;
mod examples;
mod faults;
mod feed;
mod real;
mod registry;
mod server;
mod spans;
mod stale;
mod wire;
