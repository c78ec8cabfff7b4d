//! The client against a server of the test's own, which answers as each test says.

mod cache;
mod faults;
mod server;
mod wire;
