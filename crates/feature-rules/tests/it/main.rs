//! Proof of a feature's rules: what they refuse, where they say it is, and that no schema can stop
//! the service.

mod hostile_schemas;
mod rules;
